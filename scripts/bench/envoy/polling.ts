/** From a registration to its presence in a real Envoy that polls: with polls that are held, and with such as are not. */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../processes/until.ts'
import { Api } from '../alone/api.ts'
import { startServer } from '../servers.ts'
import { SERVICE, withEnvoy } from './shipped.ts'

export interface Variant {
  readonly name: string
  readonly refreshDelay: string
  /** A poll is held for 0.8 of it. */
  readonly requestTimeout: string
}

export const VARIANTS: readonly Variant[] = [
  { name: 'as shipped: delay 0.1 s, polls held', refreshDelay: '0.1s', requestTimeout: '15s' },
  { name: 'delay 1 s, polls held', refreshDelay: '1s', requestTimeout: '15s' },
  { name: 'delay 1 s, polls not held', refreshDelay: '1s', requestTimeout: '0.05s' },
]
/** Changes come at random times up to so far apart: more than a delay. */
const PAUSE_MS = 1500

/** Milliseconds, of so many registrations. */
export async function polled(variant: Variant, registrations: number): Promise<number[]> {
  const server = await startServer()
  const api = new Api(server.httpPort)
  const samples: number[] = []
  const polling = (bootstrap: string): string =>
    bootstrap
      .replace('refresh_delay: 0.1s', `refresh_delay: ${variant.refreshDelay}`)
      .replace('request_timeout: 15s', `request_timeout: ${variant.requestTimeout}`)
  await withEnvoy(
    'eds-rest.yaml',
    server,
    async ({ admin }) => {
      for (let count = 1; count <= registrations; count += 1) {
        await delay(Math.random() * PAUSE_MS)
        const startedAt = performance.now()
        await api.register(SERVICE, count)
        const isThere = async () => (await admin.hosts()).length === count
        await until('Envoy has it', isThere, { everyMs: 1, withinMs: 20_000 })
        samples.push(performance.now() - startedAt)
      }
    },
    polling,
  )
  await api.close()
  await server.stop()
  return samples
}
