/**
 * The promise: a deploy without one failed request (F31). Three upstreams are replaced one after another, twenty
 * times over, in place, under constant traffic through Envoy, and every request is counted.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { uuidsSeen } from '../world/front.ts'
import { inWorld } from '../world/world.ts'

const ROUNDS = 20
const LEAST_REQUESTS = 100_000

describe('a rolling restart fails no request', () => {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    test(
      `${ROUNDS} times three upstreams, ${protocol} to Envoy`,
      inWorld(
        async (world, t) => {
          const registry = await world.startRegistry()
          const envoy = await world.startEnvoy({ registry })
          const fleet = await Promise.all([1, 2, 3].map(() => world.startUpstream({ registry })))
          await until('all three answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)

          const load = await world.startLoad({ url: envoy.url, protocol, ratePerSecond: 2000 })
          const served = async (): Promise<boolean> => {
            const { bodies } = await load.report()
            return fleet.every(({ uuid }) => uuid in bodies)
          }
          await until('all three have served', served)
          const lives = new Set(fleet.map(({ uuid }) => uuid))
          const slowest = { drainMs: 0 }
          for (let round = 0; round < ROUNDS; round++) {
            for (const [index, upstream] of fleet.entries()) {
              const startedAt = performance.now()
              assert.deepEqual(await upstream.child.stop('SIGTERM'), { code: 0, signal: null })
              slowest.drainMs = Math.max(slowest.drainMs, performance.now() - startedAt)
              const successor = await world.startUpstream({ registry, port: upstream.port })
              fleet[index] = successor
              lives.add(successor.uuid)
            }
          }
          const enough = async (): Promise<boolean> => (await load.report()).requests >= LEAST_REQUESTS
          await until(`${LEAST_REQUESTS} requests`, enough, { withinMs: 30_000, everyMs: 100 })
          await until('the last three have served', served)
          const report = await load.stop()

          t.diagnostic(describeReport(report))
          t.diagnostic(
            `${ROUNDS * fleet.length} restarts, slowest stop ${slowest.drainMs.toFixed(0)} ms, ` +
              `slowest request ${report.slowestMs.toFixed(0)} ms`,
          )
          assert.equal(report.failed, 0, describeReport(report))
          assert.ok(report.requests >= LEAST_REQUESTS)
          // Each life served: nobody was passed over, and nothing but an upstream answered.
          const idle = [...lives].filter(uuid => !(uuid in report.bodies))
          const strange = Object.keys(report.bodies).filter(body => !lives.has(body))
          assert.deepEqual({ idle, strange }, { idle: [], strange: [] })
        },
        { withinMs: 120_000 },
      ),
    )
  }
})
