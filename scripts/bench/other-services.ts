/** A change in one service of a hundred: what it costs the streams of another service, which did not change. */
import { type FanOutResult, warmUp } from './fan-out.ts'
import type { Bench } from './profile.ts'
import { sideBySide } from './side-by-side.ts'

const SERVICES = 100
const ENDPOINTS = 1000
const STREAMS = 100

export async function otherServices(bench: Bench): Promise<void> {
  for (const changed of [0, 1]) {
    const [ours, ...theirs] = await sideBySide<FanOutResult>(bench, ['linear', 'snapshot'], {
      part: 'fan-out',
      services: SERVICES,
      endpoints: ENDPOINTS,
      streams: STREAMS,
      mode: 'sotw',
      changed,
      changes: bench.profile.changes,
      warmup: warmUp(STREAMS, ENDPOINTS),
    })
    if (!ours) throw new Error('no result')
    const what = changed === 0 ? 'change in the watched service' : 'change in a service that nobody watches'
    for (const each of theirs) {
      const peer = each.name
      bench.report.compare({ what: `${what}: CPU`, unit: 'ms', ours: ours.cpuMs, peer, theirs: each.cpuMs })
    }
    bench.report.figure(`${what}: responses (Rollcall)`, [ours.responses], 'a change')
    for (const { name, responses } of theirs) {
      bench.report.figure(`${what}: responses (${name})`, [responses], 'a change')
    }
  }
}
