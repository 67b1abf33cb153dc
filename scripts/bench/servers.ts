/** The servers under test, each a process of its own, all pinned alike to core 0 where `taskset` exists. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

export const ROOT: string = join(import.meta.dirname, '..', '..')
const MAIN = join(ROOT, 'eds-server', 'dist', 'main.js')
const COLLECT = join(import.meta.dirname, 'collect.mjs')
const COLLECTING_MS = 3000
export const canPin: boolean = spawnSync('taskset', ['-V']).status === 0

export interface BenchServer {
  readonly name: string
  readonly isPeer: boolean
  readonly pid: number
  readonly httpPort: number
  readonly grpcPort: number
  /** Resident memory, bytes. */
  residentBytes(): number
  /** The same when garbage is collected and given back; of servers that collect. */
  keptBytes(): Promise<number>
  /** CPU time used since the start, milliseconds, in steps of ten. */
  cpuMs(): number
  stop(): Promise<void>
}

/** The command, pinned to a core: servers to 0, the generator to 1. */
export function pinned(core: 0 | 1, command: readonly string[]): string[] {
  return canPin ? ['taskset', '-c', `${core}`, ...command] : [...command]
}

export interface ServerOptions {
  /** Where it keeps registrations: in memory only (default), or on disk, in a folder that goes with the server. */
  readonly storage?: Storage
  /** Whether `keptBytes` can be asked. Default false: exactly as users start it. */
  readonly collects?: boolean
}

export type Storage = 'memory' | 'disk'

/** Rollcall. */
export function startServer({
  storage = 'memory',
  collects = false,
}: ServerOptions = {}): Promise<BenchServer> {
  const folder = storage === 'disk' ? mkdtempSync(join(tmpdir(), 'rollcall-bench-')) : undefined
  const flags = [
    '--grpc-port',
    '0',
    '--http-port',
    '0',
    '--log-level',
    'info',
    '--data-dir',
    folder ?? 'none',
  ]
  const stopped = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  const preloaded = collects ? ['--import', COLLECT] : []
  return start('Rollcall', [process.execPath, ...preloaded, MAIN, ...flags], stopped)
}

/** A cache of go-control-plane; see peer/server. */
export type Cache = 'linear' | 'snapshot'

export function startPeer(
  binary: string,
  cache: Cache,
  services: number,
  endpoints: number,
): Promise<BenchServer> {
  const size = ['-services', `${services}`, '-endpoints', `${endpoints}`]
  return start(cache, [binary, '-cache', cache, ...size])
}

/** A server that answers a constant and nothing else; see bare/. */
export type Bare = 'bare node:http2' | 'bare grpc-js'

export function startBare(name: Bare, endpoints: number): Promise<BenchServer> {
  const file = name === 'bare grpc-js' ? 'grpc-js.ts' : 'node-http2.ts'
  const main = join(import.meta.dirname, 'bare', file)
  return start(name, [process.execPath, '--import', 'tsx', main, `${endpoints}`])
}

async function start(
  name: string,
  command: readonly string[],
  stopped = (): void => undefined,
): Promise<BenchServer> {
  const [file = '', ...args] = pinned(0, command)
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): void => {
    child.kill('SIGKILL')
    stopped()
  }
  process.once('exit', kill)
  const { httpPort, grpcPort } = await ready(child)
  const stat = (): string[] => readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')
  const residentBytes = (): number => Number(stat()[21]) * 4096
  return {
    name,
    isPeer: name !== 'Rollcall',
    pid: child.pid ?? 0,
    httpPort,
    grpcPort,
    residentBytes,
    async keptBytes() {
      child.kill('SIGWINCH')
      await delay(COLLECTING_MS)
      return residentBytes()
    },
    cpuMs: () => (Number(stat()[11]) + Number(stat()[12])) * 10,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      process.removeListener('exit', kill)
      stopped()
    },
  }
}

async function ready(child: ChildProcess): Promise<{ httpPort: number; grpcPort: number }> {
  if (!child.stdout) throw new Error('the server has no stdout')
  for await (const text of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(text) as { msg?: string; httpPort: number; grpcPort: number }
    if (entry.msg === 'ready') {
      child.stdout.resume()
      return entry
    }
  }
  throw new Error('the server did not start')
}
