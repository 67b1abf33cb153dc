/** Instances that are stopped as a deploy stops them (F30, F31). */
import { describeExit } from '../../scripts/processes/child.ts'
import { until } from '../../scripts/processes/until.ts'
import { type Cast, FLEET, startCast } from './cast.ts'
import { describeTimes } from './churn.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const HOUR = 3_600_000
const STOPS = 100
const CYCLES = 50
const LEAST_REQUESTS = 1_000_000

/** Stops one and starts the next in its place; how long the stop took, from SIGTERM to the end of the process. */
async function replace(stage: Stage, { fleet }: Cast, index: number): Promise<number> {
  const old = fleet[index]
  if (!old) throw new Error(`no upstream ${index}`)
  const startedAt = performance.now()
  const exit = await stage.stopUpstream(old)
  const tookMs = performance.now() - startedAt
  if (exit.code !== 0) throw new Error(`${old.child.name} did not end by itself: ${describeExit(exit)}`)
  fleet[index] = await stage.startUpstream({ port: old.port })
  return tookMs
}

scenario(
  'F30',
  'SIGTERM to one of three, 100 times',
  { target: '0 failed; 100 of 100 end by themselves', withinMs: HOUR },
  async stage => {
    const cast = await startCast(stage)
    const drainMs: number[] = []
    while (drainMs.length < STOPS) drainMs.push(await replace(stage, cast, drainMs.length % FLEET))
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const measured = `${traffic}; ${drainMs.length} ended by themselves; drain and end: ${describeTimes(drainMs)}`
    return { measured, broken }
  },
)

scenario(
  'F31',
  'rolling restarts of all three, 50 cycles spread over the traffic',
  { target: '0 failed of ≥ 1,000,000', withinMs: HOUR },
  async stage => {
    const cast = await startCast(stage, { ratePerSecond: 2000 })
    const stopMs: number[] = []
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      for (let index = 0; index < FLEET; index++) stopMs.push(await replace(stage, cast, index))
      const due = (LEAST_REQUESTS / CYCLES) * cycle
      const isDue = async (): Promise<boolean> => (await cast.load.report()).requests >= due
      await until(`${due} requests`, isDue, { withinMs: 60_000, everyMs: 100 })
    }
    await stage.inSync(FLEET)
    const { slowestMs, p99Ms } = await cast.load.report()
    const { traffic, broken } = await stage.finish()
    const latency = `request p99 ${p99Ms} ms, slowest ${slowestMs.toFixed(0)} ms`
    return {
      measured: `${traffic}; ${stopMs.length} restarts, stop ${describeTimes(stopMs)}; ${latency}`,
      broken,
    }
  },
)
