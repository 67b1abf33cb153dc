/**
 * The walk that Rollcall grew from, against a real Envoy in every form in which Envoy asks for endpoints: nobody is
 * there, one comes, all come, one is deregistered by hand, all leave.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { instant } from '../../scripts/processes/load-report.ts'
import type { Upstream } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { BOOTSTRAPS } from '../world/bootstrap.ts'
import { get, moreRequests, uuidsSeen } from '../world/front.ts'
import { freePort, inWorld } from '../world/world.ts'

/** From the answer to /edsservice/deregister until Envoy sends the host nothing more, at most. */
const GONE_WITHIN_MS = 1000
/** Three heartbeats per second and more, so that a late one would bring the host back within the test. */
const LEASE_TTL = ['--lease-ttl', '2s']

describe('the walk', () => {
  for (const bootstrap of BOOTSTRAPS) {
    test(
      `works with ${bootstrap}`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry({ args: LEASE_TTL })
        const envoy = await world.startEnvoy({ registry, bootstrap })

        const nobody = await get(envoy.url)
        assert.equal(nobody.status, 503)
        assert.equal(nobody.body, 'no healthy upstream')
        assert.equal(nobody.headers['content-length'], '19')

        const first = await world.startUpstream({ registry })
        const one = await until('the first upstream answers', async () => {
          const answer = await get(envoy.url)
          return answer.status === 200 && answer
        })
        assert.equal(one.body, first.uuid)
        assert.equal(one.headers['content-type'], 'text/html; charset=utf-8')
        assert.equal(one.headers['content-length'], '36')
        assert.equal(one.headers.server, 'envoy')

        const others = await Promise.all([
          world.startUpstream({ registry }),
          world.startUpstream({ registry }),
        ])
        const all = [first, ...others].map(({ uuid }) => uuid)
        await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
        assert.deepEqual([...(await uuidsSeen(envoy.url, 60))].sort(), [...all].sort())

        // Deregistered by hand while it lives, serves, passes its health checks and sends heartbeats.
        const load = await world.startLoad({ url: envoy.url, ratePerSecond: 1000 })
        await until('it has its share', async () => first.uuid in (await load.report()).bodies)
        await deregister(registry.url, first)
        const deregisteredAt = instant()
        const isMember = async (): Promise<boolean> =>
          (await envoy.admin.hosts()).some(({ address }) => address === first.address)
        const isGone = async (): Promise<boolean> => !(await isMember())
        await until('the host is gone from /clusters', isGone, { withinMs: GONE_WITHIN_MS, everyMs: 2 })
        const goneAfterMs = instant() - deregisteredAt

        // It stays gone: its next heartbeat is told so and is its last.
        await first.child.line('that it was deregistered', line =>
          line.includes('ROLLCALL_INSTANCE_DEREGISTERED') ? line : undefined,
        )
        await moreRequests(load, 500)
        const report = await load.stop()
        const lastSentAfterMs = (report.bodies[first.uuid]?.lastSentAt ?? 0) - deregisteredAt
        assert.ok(lastSentAfterMs < GONE_WITHIN_MS, `sent a request ${lastSentAfterMs} ms later`)
        assert.equal(report.failed, 0, JSON.stringify(report.errors))
        assert.equal(await isMember(), false)
        assert.equal(first.child.running, true)
        t.diagnostic(
          `gone from /clusters ${goneAfterMs.toFixed(0)} ms after the call, ` +
            `last request sent ${lastSentAfterMs.toFixed(0)} ms after it; ${report.requests} requests`,
        )

        for (const { child } of others) assert.deepEqual(await child.stop(), { code: 0, signal: null })
        await until('nobody is left', async () => (await get(envoy.url)).status === 503)
        assert.equal((await get(envoy.url)).body, 'no healthy upstream')
      }),
    )
  }

  test(
    'also starts with Envoy: it waits for the EDS server, then answers 503',
    inWorld(async world => {
      const [grpcPort, httpPort] = [await freePort(), await freePort()]
      const starting = world.startEnvoy({ registry: { grpcPort, httpPort }, serving: false })
      const envoy = await starting
      assert.equal(await envoy.admin.ready(), false)
      await until(
        'it has tried',
        async () => (await envoy.admin.stat('cluster.eds_cluster.upstream_cx_total')) > 0,
      )
      // Its health says NOT_SERVING until it is warm: two heartbeats of its lease.
      const registry = await world.startRegistry({ grpcPort, httpPort, args: LEASE_TTL })
      // The back-off of the bootstrap: 5 s at most, where Envoy's own default is 30 s.
      await until('Envoy takes traffic', () => envoy.admin.ready(), { withinMs: 8000 })
      assert.equal((await get(envoy.url)).status, 503)
      // Its grpc.health.v1 answers too.
      await until('the EDS server passes its health check', async () =>
        (await envoy.admin.hosts('eds_cluster')).every(({ flags }) => flags.length === 0),
      )
      const upstream = await world.startUpstream({ registry })
      await until('the upstream answers', async () => (await get(envoy.url)).body === upstream.uuid)
    }),
  )
})

async function deregister(registry: string, { address }: Upstream): Promise<void> {
  const answer = await fetch(`${registry}/edsservice/deregister?endpoint=${address}`)
  assert.equal(answer.status, 200, await answer.text())
}
