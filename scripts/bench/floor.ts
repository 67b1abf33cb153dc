/**
 * The floor: what Node's HTTP/2, and a gRPC library on it, cost by themselves. Bare servers that answer a constant
 * (bare/) beside Rollcall, which says what is ours, and beside go-control-plane, which says what Node can reach.
 */
import { type FanOutResult, fanOutJob } from './fan-out.ts'
import { type LatencyResult, latencyJob, quantiles } from './latency.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import type { Bare, Cache } from './servers.ts'
import { sideBySide } from './side-by-side.ts'

const BARE: readonly Bare[] = ['bare node:http2', 'bare grpc-js']
const OTHERS: readonly (Cache | Bare)[] = ['linear', ...BARE]
const ENDPOINTS = [10, 1000]
const STREAMS = 1000

/** Samples of one figure by the name of the server. */
type Figures = ReadonlyMap<string, readonly number[]>

export async function floor(bench: Bench): Promise<void> {
  for (const endpoints of ENDPOINTS) await fanOutFloor(bench, endpoints)
  for (const endpoints of ENDPOINTS) await latencyFloor(bench, endpoints)
}

async function fanOutFloor(bench: Bench, endpoints: number): Promise<void> {
  const job = fanOutJob(bench, { streams: STREAMS, endpoints, mode: 'sotw' })
  const results = await sideBySide<FanOutResult>(bench, OTHERS, job)
  const what = `${number(STREAMS)} x ${number(endpoints)} sotw`
  compare(bench, `${what}: CPU`, new Map(results.map(({ name, cpuMs }) => [name, cpuMs])))
  compare(bench, `${what}: last ACK`, new Map(results.map(({ name, lastMs }) => [name, lastMs])))
}

async function latencyFloor(bench: Bench, endpoints: number): Promise<void> {
  const results = await sideBySide<LatencyResult>(bench, OTHERS, latencyJob(bench, endpoints))
  for (const [name, share] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const figures = new Map(results.map(result => [result.name, quantiles(result, share)]))
    compare(bench, `one stream x ${number(endpoints)} endpoints: ${name}`, figures)
  }
}

/** Rollcall beside each bare server, and the floor beside the peer. */
function compare({ report }: Bench, what: string, figures: Figures): void {
  const of = (name: string): readonly number[] => figures.get(name) ?? []
  for (const peer of BARE) {
    report.compare({ what, unit: 'ms', ours: of('Rollcall'), peer, theirs: of(peer) })
  }
  for (const bare of BARE) {
    report.compare({
      what: `${bare}, ${what}`,
      unit: 'ms',
      ours: of(bare),
      peer: 'linear',
      theirs: of('linear'),
    })
  }
}
