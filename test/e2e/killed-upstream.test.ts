/**
 * An upstream that dies without a word (SIGKILL, F32, F32b): when the registry knows, when Envoy knows, and what its
 * clients notice of it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReport, instant } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import type { Bootstrap } from '../world/bootstrap.ts'
import { moreRequests, uuidsSeen } from '../world/front.ts'
import { inWorld } from '../world/world.ts'

/** A lease lapses this long after its last heartbeat, and its instance is removed after twice as long. */
const TTL_MS = 2000
/** The longest time since the last heartbeat at the moment of the kill: a third of the lease and 10 %. */
const HEARTBEAT_MS = (TTL_MS / 3) * 1.1
/** What the machine may take on top, generously. */
const SLACK_MS = 1000

const VARIANTS: readonly (readonly [Bootstrap, string])[] = [
  ['eds-grpc-no-health-checks.yaml', 'outlier detection alone'],
  ['eds-grpc.yaml', 'health checks and outlier detection'],
]

describe('a killed upstream', () => {
  for (const [bootstrap, what] of VARIANTS) {
    test(
      `becomes UNHEALTHY, then leaves; only requests in flight fail (${what})`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry({ args: ['--lease-ttl', `${TTL_MS}ms`] })
        const envoy = await world.startEnvoy({ registry, bootstrap })
        const [victim, ...others] = await Promise.all([1, 2, 3].map(() => world.startUpstream({ registry })))
        assert.ok(victim)
        await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
        const load = await world.startLoad({ url: envoy.url, ratePerSecond: 1000 })
        await until('it has its share', async () => victim.uuid in (await load.report()).bodies)

        const killedAt = instant()
        victim.child.signal('SIGKILL')
        const host = async () => (await envoy.admin.hosts()).find(({ address }) => address === victim.address)
        const ejected = await until('Envoy passes it over', async () => {
          const found = await host()
          return found && (found.flags.length > 0 || found.edsHealth === 'UNHEALTHY') && found
        })
        const ejectedAfterMs = instant() - killedAt
        assert.equal(ejected.edsHealth, 'HEALTHY', 'the registry knew before outlier detection did')
        await until('it is UNHEALTHY', async () => (await host())?.edsHealth === 'UNHEALTHY')
        const unhealthyAfterMs = instant() - killedAt
        await until('it is removed', async () => (await host()) === undefined)
        const removedAfterMs = instant() - killedAt
        const report = await load.stop()

        const ms = (value: number): string => `${value.toFixed(0)} ms`
        t.diagnostic(
          `passed over after ${ms(ejectedAfterMs)} (${ejected.flags.join(', ')}), UNHEALTHY after ` +
            `${ms(unhealthyAfterMs)}, removed after ${ms(removedAfterMs)} (lease ${ms(TTL_MS)})`,
        )
        t.diagnostic(describeReport(report))
        assert.ok(unhealthyAfterMs >= TTL_MS - HEARTBEAT_MS - 50, `too early: ${ms(unhealthyAfterMs)}`)
        assert.ok(unhealthyAfterMs <= TTL_MS + SLACK_MS, `too late: ${ms(unhealthyAfterMs)}`)
        assert.ok(
          removedAfterMs >= 2 * TTL_MS - HEARTBEAT_MS - 50,
          `removed too early: ${ms(removedAfterMs)}`,
        )
        assert.ok(removedAfterMs <= 2 * TTL_MS + SLACK_MS, `removed too late: ${ms(removedAfterMs)}`)
        assert.ok(report.failed <= report.mostInFlight, describeReport(report))
        const answered = new Set(Object.keys(report.bodies))
        assert.deepEqual(answered, new Set([victim, ...others].map(({ uuid }) => uuid)))
      }),
    )
  }

  test(
    'two of three at once: the last one serves, only requests in flight fail',
    inWorld(async (world, t) => {
      const registry = await world.startRegistry()
      const envoy = await world.startEnvoy({ registry })
      const [last, ...victims] = await Promise.all([1, 2, 3].map(() => world.startUpstream({ registry })))
      assert.ok(last)
      await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
      const load = await world.startLoad({ url: envoy.url, ratePerSecond: 1000 })
      await until('each has its share', async () => Object.keys((await load.report()).bodies).length === 3)

      // Both are still members: most requests meet one of them first, and all of those are tried again (F32b).
      for (const { child } of victims) child.signal('SIGKILL')
      await moreRequests(load, 3000)
      const report = await load.stop()
      t.diagnostic(describeReport(report))
      assert.ok(report.failed <= report.mostInFlight, describeReport(report))
    }),
  )
})
