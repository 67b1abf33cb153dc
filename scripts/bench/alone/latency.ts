/** From the moment an HTTP registration is sent to the last byte of the DiscoveryResponse that shows it. */

import { WARM_UP_CHANGES } from '../latency.ts'
import { startServer } from '../servers.ts'
import { line, milliseconds } from '../stats.ts'
import { Api } from './api.ts'
import { BenchStream, type Received } from './xds-client.ts'

const CHANGES = 300

export async function latency(): Promise<void> {
  for (const endpoints of [10, 1000]) {
    const server = await startServer()
    const api = new Api(server.httpPort)
    await api.registerMany('bench', endpoints)
    const stream = new BenchStream(server.grpcPort, 'bench-0', 'bench')
    const samples: number[] = []
    for (let change = -WARM_UP_CHANGES; change < CHANGES; change++) {
      const shown = new Promise<Received>(resolve => {
        stream.onResponse = resolve
      })
      const startedAt = performance.now()
      await api.register('bench', 0, 2 + WARM_UP_CHANGES + change)
      const { at } = await shown
      if (change >= 0) samples.push(at - startedAt)
    }
    line(`registration -> DiscoveryResponse, ${endpoints} endpoints`, milliseconds(samples))
    stream.close()
    await api.close()
    await server.stop()
  }
}
