/** From a registration to its presence in a real Envoy that polls: with polls that are held, and with such as are not. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Envoy } from '../../processes/programs.ts'
import { until } from '../../processes/until.ts'
import { Api } from '../alone/api.ts'
import type { BenchServer } from '../servers.ts'
import { withEnvoy } from './shipped.ts'

export interface Variant {
  readonly name: string
  readonly service: string
  readonly refreshDelay: string
  /** A poll is held for 0.8 of it. */
  readonly requestTimeout: string
}

export const VARIANTS: readonly Variant[] = [
  {
    name: 'as shipped: delay 0.1 s, polls held',
    service: 'shipped',
    refreshDelay: '0.1s',
    requestTimeout: '15s',
  },
  { name: 'delay 1 s, polls held', service: 'held', refreshDelay: '1s', requestTimeout: '15s' },
  { name: 'delay 1 s, polls not held', service: 'not-held', refreshDelay: '1s', requestTimeout: '0.05s' },
]
const BOOTSTRAP = 'eds-rest.yaml'
/** Changes come at random times up to so far apart: more than a delay. */
const PAUSE_MS = 1500
const STANDING = 1

/** Milliseconds, of so many registrations of the variant's service. */
export async function polled(
  server: BenchServer,
  variant: Variant,
  registrations: number,
): Promise<number[]> {
  const { service, refreshDelay, requestTimeout } = variant
  const api = new Api(server.httpPort)
  const samples: number[] = []
  // With nothing to say the server would hold Envoy's first poll, and Envoy would not be ready.
  await api.register(service, STANDING)
  const poll = async ({ admin }: Envoy): Promise<void> => {
    for (let count = STANDING + 1; count <= STANDING + registrations; count += 1) {
      await delay(Math.random() * PAUSE_MS)
      const startedAt = performance.now()
      await api.register(service, count)
      const isThere = async () => (await admin.hosts()).length === count
      await until('Envoy has it', isThere, { everyMs: 1, withinMs: 20_000 })
      samples.push(performance.now() - startedAt)
    }
  }
  const polling = (shipped: string): string =>
    shipped
      .replace('service_name: myservice', `service_name: ${service}`)
      .replace('refresh_delay: 0.1s', `refresh_delay: ${refreshDelay}`)
      .replace('request_timeout: 15s', `request_timeout: ${requestTimeout}`)
  await withEnvoy(BOOTSTRAP, server, poll, polling)
  await api.close()
  return samples
}
