/**
 * A registry for the tests of apps: a real HTTP server on loopback that speaks the API which the SDK uses, keeps
 * everything in memory and fails on demand. Leases do not run out by themselves: `expire` says when.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GONE, MemoryRegistry } from './memory-registry.ts'
import type { Status } from './registry-client.ts'

export interface TestInstance {
  service: string
  instanceId: string
  incarnation: number
  address: string
  port: number
  status: Status
  /** Its heartbeats say that the main thread is blocked. */
  stalled: boolean
  weight: number
  metadata: Record<string, unknown>
  /** Heartbeats received in this life. */
  heartbeats: number
  [field: string]: unknown
}

export interface TestRequest {
  method: string
  /** Without the query. */
  path: string
  query: Record<string, string>
  body: unknown
  /** Milliseconds on a monotonic scale. */
  at: number
}

/** `error` answers 503, `hang` never answers, `reset` cuts the connection; an object is answered as a problem. */
export type FailMode =
  | 'none'
  | 'error'
  | 'hang'
  | 'reset'
  | { status: number; code: string; [member: string]: unknown }

export interface TestRegistry {
  readonly url: string
  /** Everything that was asked, in order. */
  readonly requests: TestRequest[]
  instances(): TestInstance[]
  /** The lease ran out: heartbeats get 410 ROLLCALL_LEASE_EXPIRED, a new registration is welcome. */
  expire(instanceId: string): void
  /** An operator's removal: heartbeats get 410 ROLLCALL_INSTANCE_DEREGISTERED. */
  deregister(instanceId: string): void
  /** Another instance took the place: heartbeats get 410 ROLLCALL_INCARNATION_SUPERSEDED. */
  supersede(instanceId: string): void
  /** As after a restart without its data: everything gets 404 ROLLCALL_INSTANCE_UNKNOWN. */
  forget(): void
  /** How requests fail from now on; `none` heals. */
  fail(mode: FailMode): void
  /** Adds a subscribed client that does not confirm anything before the returned function is called. */
  laggard(node: string): () => void
  close(): Promise<void>
}

export interface TestRegistryOptions {
  /** Default: any free port. */
  port?: number
  /** Default 15,000; heartbeats come at a third of it. */
  ttlMs?: number
  /** Clients that confirm everything at once. Default 1. */
  subscribers?: number
}

/** Starts a registry. `close()` it at the end of the test. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = new MemoryRegistry(options)
  const server = createServer((request, response) => void registry.answer(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const remove = (how: keyof typeof GONE) => (instanceId: string) => registry.remove(instanceId, GONE[how])
  return {
    url: `http://127.0.0.1:${port}`,
    requests: registry.requests,
    instances: () => [...registry.held.values()].map(({ instance }) => ({ ...instance })),
    expire: remove('expired'),
    deregister: remove('deregistered'),
    supersede: remove('superseded'),
    forget: () => {
      registry.held.clear()
      registry.removed.clear()
    },
    fail: mode => {
      registry.mode = mode
    },
    laggard: node => registry.addLaggard(node),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
