/** One change of one endpoint, until the last of N streams has ACKed: server CPU and time. And how both grow. */
import type { Job } from './generator.ts'
import type { Bench, FanOutSize } from './profile.ts'
import { number } from './report.ts'
import type { Cache } from './servers.ts'
import { sideBySide } from './side-by-side.ts'
import { exponent, quantile } from './stats.ts'

export interface FanOutResult {
  readonly name: string
  readonly cpuMs: readonly number[]
  readonly firstMs: readonly number[]
  readonly lastMs: readonly number[]
  /** Of each change. */
  readonly responses: number
}

/** Node bytes of a real Envoy, which sends them in every ACK unless told not to. */
const NODE_BYTES = 61 * 1024

const GOALS: readonly (FanOutSize & { readonly cache: Cache; readonly goal: number })[] = [
  { streams: 1000, endpoints: 1000, mode: 'sotw', cache: 'snapshot', goal: 0.1 },
  { streams: 1000, endpoints: 1000, mode: 'sotw', cache: 'linear', goal: 0.6 },
  { streams: 5000, endpoints: 1000, mode: 'sotw', cache: 'linear', goal: 0.6 },
  { streams: 1000, endpoints: 10, mode: 'sotw', cache: 'linear', goal: 0.7 },
  { streams: 1000, endpoints: 10, mode: 'sotw', hasNode: true, cache: 'linear', goal: 0.3 },
  { streams: 100, endpoints: 10_000, mode: 'sotw', cache: 'linear', goal: 0.6 },
]

/** Changes before the measured ones, for the compilers: enough responses, and not so many bytes that it takes minutes. */
export function warmUp(streams: number, endpoints: number): number {
  const changes = Math.min(60_000 / streams, 100_000_000 / (streams * endpoints))
  return Math.min(200, Math.max(5, Math.round(changes)))
}

export function fanOutJob({ profile }: Bench, { streams, endpoints, mode }: FanOutSize): Job {
  const [changes, warmup] = [profile.changes, warmUp(streams, endpoints)]
  return { part: 'fan-out', streams, endpoints, mode, changes, warmup }
}

interface Measured {
  readonly size: FanOutSize
  readonly result: FanOutResult
}

export async function fanOut(bench: Bench): Promise<void> {
  const measured: Measured[] = []
  for (const size of bench.profile.fanOut) measured.push({ size, result: await one(bench, size) })
  growth(bench, measured)
}

async function one(bench: Bench, size: FanOutSize): Promise<FanOutResult> {
  const { streams, endpoints, mode, hasNode = false } = size
  const caches: Cache[] = ['linear', 'snapshot']
  const [ours, ...theirs] = await sideBySide<FanOutResult>(bench, caches, {
    ...fanOutJob(bench, size),
    ...(hasNode ? { nodeBytes: NODE_BYTES, nodeInAcks: true } : {}),
  })
  if (!ours) throw new Error('no result')
  const node = hasNode ? ', 61 KB node in ACKs' : ''
  const what = `${number(streams)} x ${number(endpoints)} ${mode}${node}`
  for (const each of theirs) {
    const peer = each.name
    const goal = GOALS.find(
      ({ cache, ...wanted }) =>
        cache === each.name &&
        wanted.streams === streams &&
        wanted.endpoints === endpoints &&
        wanted.mode === mode &&
        (wanted.hasNode ?? false) === hasNode,
    )?.goal
    const report = bench.report
    report.compare({
      what: `${what}: CPU`,
      unit: 'ms',
      ours: ours.cpuMs,
      peer,
      theirs: each.cpuMs,
      goal,
    })
    report.compare({ what: `${what}: last ACK`, unit: 'ms', ours: ours.lastMs, peer, theirs: each.lastMs })
  }
  return ours
}

/** The exponent over streams at each number of endpoints, and the other way round. */
function growth({ report }: Bench, measured: readonly Measured[]): void {
  const plain = measured.filter(({ size }) => size.mode === 'sotw' && !size.hasNode)
  for (const [varied, fixed] of [
    ['streams', 'endpoints'],
    ['endpoints', 'streams'],
  ] as const) {
    for (const value of new Set(plain.map(({ size }) => size[fixed]))) {
      const points = plain
        .filter(({ size }) => size[fixed] === value && size.streams >= 100)
        .map(({ size, result }) => [size[varied], quantile(result.cpuMs, 0.5)] as const)
      if (points.length < 2) continue
      const from = `${number(points[0]?.[0] ?? 0)} to ${number(points.at(-1)?.[0] ?? 0)}`
      report.figure(
        `CPU over ${from} ${varied}, at ${number(value)} ${fixed}`,
        [exponent(points)],
        '(exponent)',
      )
    }
  }
}
