/** One change of one endpoint, until the last of N streams has received and ACKed it. */

import { startServer } from '../servers.ts'
import { line, quantile } from '../stats.ts'
import { Api } from './api.ts'
import { BenchStream, type Received } from './xds-client.ts'

const STREAMS = 1000
const CHANGES = 10

export async function fanOut(): Promise<void> {
  for (const endpoints of [10, 1000]) {
    const server = await startServer({ collects: true })
    const api = new Api(server.httpPort)
    await api.registerMany('bench', endpoints)
    const idleBytes = await server.keptBytes()
    const waitAll = await openStreams(server.grpcPort)
    await waitAll.first
    const last: number[] = []
    const cpu: number[] = []
    for (let change = 0; change < CHANGES; change++) {
      const done = waitAll.next()
      const cpuBefore = server.cpuMs()
      const startedAt = performance.now()
      await api.register('bench', 0, 2 + change)
      last.push((await done) - startedAt)
      await allAcked(server.httpPort)
      cpu.push(server.cpuMs() - cpuBefore)
    }
    const figures = `last stream p50 ${quantile(last, 0.5).toFixed(1)} ms, server CPU p50 ${quantile(cpu, 0.5)} ms a change`
    line(`fan-out, ${STREAMS} streams x ${endpoints} endpoints`, figures)
    const perStream = ((await server.keptBytes()) - idleBytes) / STREAMS / 1024
    line(
      `memory of ${STREAMS} streams`,
      `${perStream.toFixed(1)} KiB a stream (resident, after ${CHANGES} changes)`,
    )
    waitAll.close()
    await api.close()
    await server.stop()
  }
}

interface Streams {
  /** Resolves when every stream has had its first response. */
  readonly first: Promise<number>
  /** Resolves with the time at which the last stream had its next response. */
  next(): Promise<number>
  close(): void
}

async function openStreams(port: number): Promise<Streams> {
  const streams: BenchStream[] = []
  const next = (): Promise<number> =>
    new Promise(resolve => {
      let waiting = STREAMS
      const received = (response: Received): void => {
        waiting -= 1
        if (waiting === 0) resolve(response.at)
      }
      for (const stream of streams) stream.onResponse = received
    })
  for (let i = 0; i < STREAMS; i++) streams.push(new BenchStream(port, `bench-${i}`, 'bench'))
  return { first: next(), next, close: () => streams.forEach(stream => void stream.close()) }
}

/** The server's own word that every stream's ACK has arrived. */
async function allAcked(httpPort: number): Promise<void> {
  const url = `http://127.0.0.1:${httpPort}/v1/services/bench/instances/i0/delivery?state=live&timeout=30s`
  const report = (await (await fetch(url)).json()) as { acked: number; subscribers: number }
  if (report.acked !== report.subscribers) throw new Error(`not ACKed by all: ${JSON.stringify(report)}`)
}
