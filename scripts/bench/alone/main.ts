/** Figures of Rollcall alone, with a load generator in Node: for machines without Go. */

import { firstRequests } from '../envoy/first-request.ts'
import { line, milliseconds } from '../stats.ts'
import { fanOut } from './fan-out.ts'
import { heartbeats } from './heartbeats.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'

const INSTANCES = 100
const PARTS = { latency, 'first request': firstRequest, 'fan-out': fanOut, heartbeats, memory }

/** Runs the parts whose name holds `wanted`. */
export async function measureAlone(wanted: string): Promise<void> {
  for (const [name, run] of Object.entries(PARTS)) {
    if (!name.includes(wanted)) continue
    console.log(`\n${name}`)
    await run()
  }
}

async function firstRequest(): Promise<void> {
  line('registration to first request answered', milliseconds(await firstRequests(INSTANCES)))
}
