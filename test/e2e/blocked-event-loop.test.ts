/**
 * An upstream whose event loop is blocked (F46): the registry shows it as stalled and keeps it, while Envoy sees by
 * itself who does not answer.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { uuidsSeen } from '../world/front.ts'
import { inWorld } from '../world/world.ts'

const TTL_MS = 2000
/** Six leases: an instance without heartbeats is removed after two. */
const BLOCKED_MS = 12_000

/** SIGUSR2 blocks the event loop of the process that is started with it. */
const BLOCKABLE = `process.on('SIGUSR2', () => { const end = Date.now() + ${BLOCKED_MS}; while (Date.now() < end); })`

describe('a blocked event loop', () => {
  test(
    'is shown as stalled and never lapses; Envoy passes the upstream over and takes it back',
    inWorld(async (world, t) => {
      const registry = await world.startRegistry({ args: ['--lease-ttl', `${TTL_MS}ms`] })
      const envoy = await world.startEnvoy({ registry })
      const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BLOCKABLE)}` }
      const [blocked] = await Promise.all([
        world.startUpstream({ registry, env }),
        ...[1, 2].map(() => world.startUpstream({ registry })),
      ])
      await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
      const load = await world.startLoad({ url: envoy.url, concurrency: 64, ratePerSecond: 500 })

      const hostOf = async () =>
        (await envoy.admin.hosts()).find(({ address }) => address === blocked.address)
      const look = async () => {
        const answer = await fetch(`${registry.url}/v1/services/myservice/instances`)
        const { instances } = (await answer.json()) as { instances: Record<string, unknown>[] }
        const instance = instances.find(({ port }) => port === blocked.port)
        const host = await hostOf()
        seen.add(`${instance?.status} lapsed=${instance?.lapsed} ${host?.edsHealth}`)
        return { isStalled: instance?.stalled === true, isPassedOver: (host?.flags.length ?? 0) > 0 }
      }
      const seen = new Set<string>()
      assert.deepEqual(await look(), { isStalled: false, isPassedOver: false })
      const startedAt = performance.now()
      const since = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`
      blocked.child.signal('SIGUSR2')
      const seesStall = async (): Promise<void> => {
        await until('it is stalled', async () => (await look()).isStalled)
        t.diagnostic(`shown as stalled after ${since()}`)
      }
      const seesFailure = async (): Promise<void> => {
        const isPassedOver = async (): Promise<boolean> => (await look()).isPassedOver
        await until('Envoy passes it over', isPassedOver, { withinMs: BLOCKED_MS })
        t.diagnostic(`passed over after ${since()}`)
      }
      await Promise.all([seesStall(), seesFailure()])
      await until('it is not any more', async () => !(await look()).isStalled)
      t.diagnostic(`no longer after ${since()}`)
      await until('Envoy takes it back', async () => !(await look()).isPassedOver, { withinMs: 20_000 })
      assert.deepEqual([...seen], ['healthy lapsed=false HEALTHY'], 'it lapsed, or Envoy was told something')
      t.diagnostic(describeReport(await load.stop()))
      await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
    }),
  )
})
