/** What the tests of the SDK share: a registry of either kind, processes and small servers, which end with the test. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Logger } from '@rollcall/sdk'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '@rollcall/sdk/testing'
import { Child } from '../../scripts/processes/child.ts'
import { type EdsServer, logged, startEdsServer } from '../../scripts/processes/programs.ts'

const endings = new WeakMap<TestContext, (() => unknown)[]>()

/** Runs `work` when the test ends, the last one first: apps leave before their registry closes. */
export function atEnd(test: TestContext, work: () => unknown): void {
  const present = endings.get(test)
  if (present) return void present.push(work)
  const stack = [work]
  endings.set(test, stack)
  test.after(async () => {
    for (const each of stack.reverse()) await each()
  })
}

/** The in-memory registry with short leases (a heartbeat each 100 ms), closed when the test ends. */
export async function testRegistry(
  test: TestContext,
  options: TestRegistryOptions = {},
): Promise<TestRegistry> {
  const registry = await startTestRegistry({ ttlMs: 300, ...options })
  atEnd(test, () => registry.close())
  return registry
}

export interface AnyRegistry {
  url: string
  instances(
    service: string,
  ): Promise<{ instanceId: string; status: string; port: number; incarnation: number }[]>
  /** Of the test registry only. */
  deregister?: (instanceId: string) => void
  refuse?: (field: string) => void
}

/** The real eds-server or the in-memory one, seen through what both have: the HTTP API. */
export async function anyRegistry(
  test: TestContext,
  kind: 'eds-server' | 'test registry',
): Promise<AnyRegistry> {
  if (kind === 'test registry') {
    const registry = await testRegistry(test)
    return {
      url: registry.url,
      instances: async () => registry.instances(),
      deregister: registry.deregister,
      refuse: field => registry.fail({ status: 400, code: 'ROLLCALL_INVALID_ARGUMENT', field }),
    }
  }
  const { url } = await edsServer(test, ['--lease-ttl', '1s'])
  return {
    url,
    instances: async service => {
      const answer = await fetch(`${url}/v1/services/${service}/instances`)
      const { instances = [] } = (await answer.json()) as { instances?: never[] }
      return instances
    },
  }
}

/** The real eds-server on free ports, killed when the test ends. */
export async function edsServer(test: TestContext, args: readonly string[] = []): Promise<EdsServer> {
  const server = await startEdsServer({ grpcPort: 0, httpPort: 0, args })
  atEnd(test, () => server[Symbol.asyncDispose]())
  return server
}

/** A Node process, killed when the test ends. */
export function startNode(
  test: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = new Child({ name: 'node', command: process.execPath, args, env })
  atEnd(test, () => child[Symbol.asyncDispose]())
  return child
}

/** The first JSON line with this `msg`, printed already or to come. */
export function printed(child: Child, msg: string): Promise<Record<string, unknown>> {
  return child.line(`"${msg}"`, logged(msg))
}

/** A listening server, and its port; all its connections are cut when the test ends. */
export async function serve(
  test: TestContext,
  handler: RequestListener,
): Promise<{ server: Server; port: number }> {
  const server = createServer(handler)
  atEnd(test, () => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, port: portOf(server) }
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

export interface LogLine {
  level: string
  message: string
  details: Record<string, unknown>
}

/** A logger that keeps what it is told. */
export function memoryLogger(): Logger & { lines: LogLine[] } {
  const lines: LogLine[] = []
  const at = (level: string) => (details: object, message: string) => {
    lines.push({ level, message, details: details as Record<string, unknown> })
  }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}
