/**
 * A registry for the tests of apps: a real HTTP server on loopback that speaks the API which the SDK uses, keeps
 * everything in memory and fails on demand. Leases do not run out by themselves: `expire` says when.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GONE, MemoryRegistry } from './memory-registry.ts'
import type { FailMode, TestInstance, TestRegistryOptions, TestRequest } from './testing-types.ts'

export type { FailMode, TestInstance, TestRegistryOptions, TestRequest }

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
