/**
 * Heartbeats a second of server CPU time, one request each and in batches, and how that grows with the registry; and
 * the CPU time that a registry of 10,000 instances takes when each beats every 5 s.
 */
import { generate, type Job } from './generator.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { startServer } from './servers.ts'
import { exponent, quantile } from './stats.ts'

interface HeartbeatResult {
  readonly perSecond: number
  readonly perCpuSecond: number
  /** Of a core. */
  readonly cpuShare: number
  readonly p99Ms: number
}

const BATCH = 100
const SINGLE_GOAL = 25_000
const BATCH_GOAL = 500_000
const STEADY = { instances: 10_000, everySeconds: 5 }

export async function heartbeats(bench: Bench): Promise<void> {
  const points: [number, number][] = []
  for (const instances of bench.profile.heartbeats.instances) {
    points.push([instances, await fastest(bench, instances, 0)])
    if (instances >= BATCH) await fastest(bench, instances, BATCH)
  }
  bench.report.figure('CPU of a heartbeat over the number of instances', [exponent(points)], '(exponent)')
  for (const batch of [0, BATCH]) await steady(bench, batch)
}

/** Returns the CPU time of one heartbeat, seconds. */
async function fastest(bench: Bench, instances: number, batch: number): Promise<number> {
  const results = await measure(bench, { endpoints: instances, batch })
  const figures = (key: keyof HeartbeatResult) => results.map(result => result[key])
  const what = `${number(instances)} instances, ${requests(batch)}`
  const goal = { atLeast: batch > 0 ? BATCH_GOAL : SINGLE_GOAL }
  bench.report.figure(`${what}: of server CPU`, figures('perCpuSecond'), 'a second', goal)
  bench.report.figure(`${what}: by the clock`, figures('perSecond'), 'a second')
  bench.report.figure(`${what}: answer p99`, figures('p99Ms'), 'ms')
  return 1 / quantile(figures('perCpuSecond'), 0.5)
}

async function steady(bench: Bench, batch: number): Promise<void> {
  const { instances, everySeconds } = STEADY
  const results = await measure(bench, { endpoints: instances, batch, rate: instances / everySeconds })
  const what = `${number(instances)} instances, each every ${everySeconds} s, ${requests(batch)}: CPU`
  const percent = results.map(({ cpuShare }) => cpuShare * 100)
  bench.report.figure(what, percent, '% of a core')
}

function requests(batch: number): string {
  return batch > 0 ? `${batch} a request` : 'one request each'
}

async function measure({ peer, profile }: Bench, job: Omit<Job, 'part'>): Promise<HeartbeatResult[]> {
  const { seconds, rounds } = profile.heartbeats
  const server = await startServer()
  try {
    return await generate<HeartbeatResult>(peer, [server], { part: 'heartbeats', seconds, rounds, ...job })
  } finally {
    await server.stop()
  }
}
