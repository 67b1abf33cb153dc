/** What the tests of the SDK share: waiting for conditions, a registry of either kind, and small servers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from '@rollcall/sdk'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '@rollcall/sdk/testing'

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))
export const EDS_SERVER: string = `${ROOT}eds-server/dist/main.js`

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

/** Resolves with the first truthy value of `probe`; fails loudly after `timeoutMs`. */
export async function until<Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  timeoutMs = 10_000,
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
    await delay(5)
  }
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
  const args = ['--grpc-port', '0', '--http-port', '0', '--data-dir', 'none', '--lease-ttl', '1s']
  const server = startProcess(test, [EDS_SERVER, ...args])
  const { httpPort } = await server.line('ready')
  const url = `http://127.0.0.1:${httpPort}`
  return {
    url,
    instances: async service => {
      const answer = await fetch(`${url}/v1/services/${service}/instances`)
      const { instances = [] } = (await answer.json()) as { instances?: never[] }
      return instances
    },
  }
}

export interface TestProcess {
  child: ChildProcess
  stderr(): string
  lines: Record<string, unknown>[]
  /** The first JSON line on stdout with this `msg`. */
  line(msg: string): Promise<Record<string, unknown>>
  /** Resolves with the exit code, or the signal's name. */
  exited: Promise<number | string>
}

/** A Node process with JSON lines on stdout; killed when the test ends. */
export function startProcess(
  test: TestContext,
  args: readonly string[],
  env: Record<string, string> = {},
): TestProcess {
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } })
  atEnd(test, () => child.kill('SIGKILL'))
  const lines: Record<string, unknown>[] = []
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', text => {
    lines.push(/^\{"/.test(text) ? JSON.parse(text) : { msg: text })
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const exited = once(child, 'close').then(([code, signal]) => code ?? signal)
  return {
    child,
    stderr: () => stderr,
    lines,
    exited,
    line: msg =>
      until(`"${msg}" from ${args.join(' ').slice(0, 80)}; stderr: ${stderr}`, () => {
        if (child.exitCode !== null)
          throw new Error(`exited with ${child.exitCode} before "${msg}": ${stderr}`)
        return lines.find(line => line.msg === msg)
      }),
  }
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

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await new Promise(resolve => server.close(resolve))
  return port
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
