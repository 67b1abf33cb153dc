/** Heartbeats per second of server CPU time: one HTTP request each, and batches of 100. */

import { type BenchServer, startServer } from '../servers.ts'
import { line } from '../stats.ts'
import { Api, type Lease } from './api.ts'

const SECONDS = 5

export async function heartbeats(): Promise<void> {
  const server = await startServer()
  const api = new Api(server.httpPort, 64)
  for (const instances of [10, 1000, 10_000]) {
    const leases = await api.registerMany(`bench-${instances}`, instances)
    const single = await measure(server, 64, index => api.heartbeat(leases[index % instances] as Lease))
    line(`heartbeats, ${instances} instances, one request each`, `${rate(single)} a second of server CPU`)
    if (instances < 100) continue
    const batches = Array.from({ length: instances / 100 }, (_, batch) =>
      leases.slice(batch * 100, batch * 100 + 100),
    )
    const batched = await measure(server, 8, index =>
      api.heartbeatMany(batches[index % batches.length] as Lease[]),
    )
    line(`heartbeats, ${instances} instances, 100 a request`, `${rate(batched * 100)} a second of server CPU`)
  }
  await api.close()
  await server.stop()
}

function rate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en-US')
}

/** Calls per second of server CPU time, with `parallel` callers. */
async function measure(
  server: BenchServer,
  parallel: number,
  call: (index: number) => Promise<void>,
): Promise<number> {
  let calls = 0
  const until = performance.now() + SECONDS * 1000
  const cpuBefore = server.cpuMs()
  const caller = async (): Promise<void> => {
    while (performance.now() < until) await call(calls++)
  }
  await Promise.all(Array.from({ length: parallel }, caller))
  return (calls * 1000) / (server.cpuMs() - cpuBefore)
}
