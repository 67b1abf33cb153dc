/**
 * The EDS server goes and a new one comes that knows nothing of before (F01, F02): traffic must not notice. Envoy
 * keeps what it has while nobody answers; the new server must not tell it "nobody" before the upstreams had the
 * time to register again.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { moreRequests, uuidsSeen } from '../world/front.ts'
import { inWorld } from '../world/world.ts'

const LEASE_TTL = ['--lease-ttl', '6s']
const CASES = [
  ['SIGKILL', 'eds-grpc.yaml'],
  ['SIGTERM', 'ads-delta-grpc.yaml'],
] as const

describe('a restart of the EDS server fails no request', () => {
  for (const [signal, bootstrap] of CASES) {
    test(
      `${signal}, ${bootstrap}`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry({ args: LEASE_TTL })
        const envoy = await world.startEnvoy({ registry, bootstrap })
        const fleet = await Promise.all([1, 2, 3].map(() => world.startUpstream({ registry })))
        await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
        const load = await world.startLoad({ url: envoy.url, ratePerSecond: 1000 })
        const least = { members: fleet.length }
        const look = async (): Promise<void> => {
          least.members = Math.min(least.members, (await envoy.admin.hosts()).length)
        }

        // The upstreams beat every 2 s and did so just now: Envoy is back before they have registered again.
        await registry.child.stop(signal)
        const { grpcPort, httpPort } = registry
        const successor = await world.startRegistry({ grpcPort, httpPort, args: LEASE_TTL })
        const startedAt = performance.now()
        const nodes = async (): Promise<{ types: { state: string }[] }[]> => {
          await look()
          const answer = (await (await fetch(`${successor.url}/v1/nodes`)).json()) as { nodes: never[] }
          return answer.nodes
        }
        await until('Envoy is connected again', async () => (await nodes()).length === 1)
        const connectedAfterMs = performance.now() - startedAt
        await until('every upstream has registered again, and Envoy knows', async () => {
          const answer = await fetch(`${successor.url}/v1/services/myservice/instances`)
          const { instances = [] } = (await answer.json()) as { instances?: unknown[] }
          const [node] = await nodes()
          return instances.length === fleet.length && node?.types.every(({ state }) => state === 'SYNCED')
        })
        const completeAfterMs = performance.now() - startedAt
        await moreRequests(load, 1000)
        await look()
        const report = await load.stop()

        t.diagnostic(
          `connected ${connectedAfterMs.toFixed(0)} ms and complete ${completeAfterMs.toFixed(0)} ms after the start`,
        )
        t.diagnostic(describeReport(report))
        assert.equal(report.failed, 0, describeReport(report))
        assert.equal(least.members, fleet.length, 'the number of members fell in between')
      }),
    )
  }
})
