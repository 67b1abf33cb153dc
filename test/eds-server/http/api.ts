/** A registry with its HTTP API on a real socket, for tests. */
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { type AppOptions, createApp } from '../../../eds-server/src/http/app.ts'
import type { Delivery, DeliveryReport } from '../../../eds-server/src/http/context.ts'
import { Metrics } from '../../../eds-server/src/metrics.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'

export interface Api extends AsyncDisposable {
  readonly app: ReturnType<typeof createApp>
  readonly registry: Registry
  readonly metrics: Metrics
  readonly port: number
  readonly url: string
  readonly logged: string[]
  call(method: string, path: string, init?: Init): Promise<Answer>
}

export interface Init {
  readonly body?: unknown
  readonly text?: string | Uint8Array
  readonly headers?: Record<string, string>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says
  readonly body: any
}

const REPORT: DeliveryReport = { subscribers: 0, acked: 0, pending: [] }

/** No client is connected: everything is known at once. */
export const nobodySubscribes: Delivery = {
  settled: async () => REPORT,
  live: async () => REPORT,
  gone: async () => REPORT,
}

export async function startApi(change: Partial<AppOptions> = {}): Promise<Api> {
  const registry = change.registry ?? new Registry({ clock: systemClock, store: memoryStore })
  const metrics = new Metrics()
  const logged: string[] = []
  const app = createApp({
    registry,
    metrics,
    delivery: nobodySubscribes,
    nodes: () => [],
    readiness: () => ({ ready: true }),
    logger: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
    loopbackOnly: true,
    ownPorts: () => [(app.server.address() as AddressInfo | null)?.port ?? 0],
    ...change,
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    app,
    registry,
    metrics,
    logged,
    url,
    port: Number(new URL(url).port),
    call: (method, path, init) => call(url, method, path, init),
    async [Symbol.asyncDispose]() {
      await app.close()
      registry.close()
    },
  }
}

async function call(
  url: string,
  method: string,
  path: string,
  { body, text, headers }: Init = {},
): Promise<Answer> {
  const content = text ?? (body === undefined ? undefined : JSON.stringify(body))
  const response = await fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(content !== undefined && { body: content }),
  })
  const answered = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && answered !== '' ? JSON.parse(answered) : answered,
  }
}
