/** From the moment an HTTP registration is sent to the last byte of the DiscoveryResponse that shows it. */
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { sideBySide } from './side-by-side.ts'
import { quantile } from './stats.ts'

interface LatencyResult {
  readonly name: string
  readonly rounds: readonly (readonly number[])[]
}

const GOAL = 1

export async function latency(bench: Bench): Promise<void> {
  const { endpoints, changes, rounds } = bench.profile.latency
  for (const count of endpoints) {
    const [ours, theirs] = await sideBySide<LatencyResult>(bench, ['linear'], {
      part: 'latency',
      endpoints: count,
      mode: 'sotw',
      changes,
      rounds,
    })
    if (!ours || !theirs) throw new Error('no result')
    for (const [name, share] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      const figures = (result: LatencyResult) => result.rounds.map(samples => quantile(samples, share))
      bench.report.compare({
        what: `one stream x ${number(count)} endpoints: ${name}`,
        unit: 'ms',
        ours: figures(ours),
        peer: 'linear',
        theirs: figures(theirs),
        goal: GOAL,
      })
    }
  }
}
