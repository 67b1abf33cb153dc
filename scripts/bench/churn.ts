/** Many changes a second: how old what the streams show is, and what that costs. */
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { sideBySide } from './side-by-side.ts'

interface ChurnRound {
  readonly stalenessP50Ms: number
  readonly stalenessP99Ms: number
  readonly cpuShare: number
  readonly pushesPerStream: number
  readonly bytesPerStream: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly replyP99Ms: number
}

interface ChurnResult {
  readonly name: string
  readonly rounds: readonly ChurnRound[]
}

const ENDPOINTS = 1000

/** By rate and streams. */
const GOALS: Readonly<Record<string, Partial<Record<keyof ChurnRound, number>>>> = {
  '1000x100': { stalenessP50Ms: 1, stalenessP99Ms: 1, bytesPerStream: 0.5, cpuShare: 0.5 },
  '100x1000': { stalenessP50Ms: 0.5, stalenessP99Ms: 0.5, cpuShare: 0.7 },
}

const FIGURES: readonly (readonly [key: keyof ChurnRound, name: string, unit: string, scale: number])[] = [
  ['stalenessP50Ms', 'staleness p50', 'ms', 1],
  ['stalenessP99Ms', 'staleness p99', 'ms', 1],
  ['bytesPerStream', 'to a stream', 'KB/s', 1e-3],
  ['pushesPerStream', 'pushes to a stream', '/s', 1],
  ['cpuShare', 'CPU', '% of a core', 100],
  ['residentBytes', 'resident', 'MiB', 2 ** -20],
  ['heapBytes', 'heap in use', 'MiB', 2 ** -20],
  ['replyP99Ms', 'HTTP reply p99', 'ms', 1],
]

export async function churn(bench: Bench): Promise<void> {
  for (const { rate, streams, seconds, rounds } of bench.profile.churn) {
    const [ours, theirs] = await sideBySide<ChurnResult>(bench, ['linear'], {
      part: 'churn',
      endpoints: ENDPOINTS,
      mode: 'sotw',
      rate,
      streams,
      seconds,
      rounds,
    })
    if (!ours || !theirs) throw new Error('no result')
    for (const [key, name, unit, scale] of FIGURES) {
      const figures = (result: ChurnResult) => result.rounds.map(round => round[key] * scale)
      bench.report.compare({
        what: `${number(rate)} changes/s x ${number(streams)} x ${number(ENDPOINTS)}: ${name}`,
        unit,
        ours: figures(ours),
        peer: 'linear',
        theirs: figures(theirs),
        goal: GOALS[`${rate}x${streams}`]?.[key],
      })
    }
  }
}
