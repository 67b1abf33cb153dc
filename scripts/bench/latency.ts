/** From the moment an HTTP registration is sent to the last byte of the DiscoveryResponse that shows it. */
import { generate, type Job } from './generator.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { startServer } from './servers.ts'
import { sideBySide } from './side-by-side.ts'
import { quantile } from './stats.ts'

export interface LatencyResult {
  readonly name: string
  readonly rounds: readonly (readonly number[])[]
}

/** Beside the peer. */
const GOAL = 1
const ON_DISK_GOAL_MS = 2
const ON_DISK_ENDPOINTS = 10
/** Until V8 has optimised what a change runs through; servers that have run for a while are past it. */
export const WARM_UP_CHANGES = 2000

export function latencyJob({ profile }: Bench, endpoints: number): Job {
  return { part: 'latency', endpoints, mode: 'sotw', warmup: WARM_UP_CHANGES, ...profile.latency }
}

export async function latency(bench: Bench): Promise<void> {
  for (const endpoints of [10, 1000]) {
    const [ours, theirs] = await sideBySide<LatencyResult>(bench, ['linear'], latencyJob(bench, endpoints))
    if (!ours || !theirs) throw new Error('no result')
    for (const [name, share] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      bench.report.compare({
        what: `one stream x ${number(endpoints)} endpoints: ${name}`,
        unit: 'ms',
        ours: quantiles(ours, share),
        peer: 'linear',
        theirs: quantiles(theirs, share),
        goal: GOAL,
      })
    }
  }
  await onDisk(bench)
}

/** Each registration is on disk when it is answered. */
async function onDisk(bench: Bench): Promise<void> {
  const server = await startServer({ storage: 'disk' })
  try {
    const endpoints = ON_DISK_ENDPOINTS
    await generate(bench.peer, [server], { part: 'register', services: 1, endpoints })
    const [result] = await generate<LatencyResult>(bench.peer, [server], latencyJob(bench, endpoints))
    if (!result) throw new Error('no result')
    const what = `one stream x ${number(endpoints)} endpoints, on disk`
    bench.report.figure(`${what}: p50`, quantiles(result, 0.5), 'ms', { atMost: ON_DISK_GOAL_MS })
    bench.report.figure(`${what}: p99`, quantiles(result, 0.99), 'ms')
  } finally {
    await server.stop()
  }
}

/** One of each round. */
export function quantiles({ rounds }: LatencyResult, share: number): number[] {
  return rounds.map(samples => quantile(samples, share))
}
