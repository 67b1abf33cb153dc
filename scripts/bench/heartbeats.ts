/** Heartbeats a second of server CPU time, one request each and in batches, and how that grows with the registry. */
import { generate } from './generator.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { startServer } from './servers.ts'
import { exponent, quantile } from './stats.ts'

interface HeartbeatResult {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly p99Ms: number
}

const BATCH = 100
const SINGLE_GOAL = 25_000
const BATCH_GOAL = 500_000

export async function heartbeats(bench: Bench): Promise<void> {
  const points: [number, number][] = []
  for (const instances of bench.profile.heartbeats.instances) {
    points.push([instances, await measure(bench, instances, 0)])
    if (instances >= BATCH) await measure(bench, instances, BATCH)
  }
  bench.report.figure('CPU of a heartbeat over the number of instances', [exponent(points)], '(exponent)')
}

/** Returns the CPU time of one heartbeat, seconds. */
async function measure({ peer, profile, report }: Bench, instances: number, batch: number): Promise<number> {
  const { seconds, rounds } = profile.heartbeats
  const server = await startServer()
  const job = { part: 'heartbeats', endpoints: instances, seconds, rounds, batch }
  try {
    const results = await generate<HeartbeatResult>(peer, [server], job)
    const perCpu = results.map(({ perCpuSecond }) => perCpuSecond)
    const what = `${number(instances)} instances, ${batch > 0 ? `${batch} a request` : 'one request each'}`
    report.figure(`${what}: of server CPU`, perCpu, 'a second', batch > 0 ? BATCH_GOAL : SINGLE_GOAL)
    report.figure(
      `${what}: by the clock`,
      results.map(({ perSecond }) => perSecond),
      'a second',
    )
    report.figure(
      `${what}: answer p99`,
      results.map(({ p99Ms }) => p99Ms),
      'ms',
    )
    return 1 / quantile(perCpu, 0.5)
  } finally {
    await server.stop()
  }
}
