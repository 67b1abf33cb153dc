/** The servers under test, each a process of its own, all pinned alike to core 0 where `taskset` exists. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const ROOT: string = join(import.meta.dirname, '..', '..')
const MAIN = join(ROOT, 'eds-server', 'dist', 'main.js')
export const canPin: boolean = spawnSync('taskset', ['-V']).status === 0

export interface BenchServer {
  readonly name: string
  readonly isPeer: boolean
  readonly pid: number
  readonly httpPort: number
  readonly grpcPort: number
  /** Resident memory, bytes. */
  residentBytes(): number
  /** CPU time used since the start, milliseconds, in steps of ten. */
  cpuMs(): number
  stop(): Promise<void>
}

/** The command, pinned to a core: servers to 0, the generator to 1. */
export function pinned(core: 0 | 1, command: readonly string[]): string[] {
  return canPin ? ['taskset', '-c', `${core}`, ...command] : [...command]
}

/** Rollcall, as users start it. */
export function startServer(flags: readonly string[] = []): Promise<BenchServer> {
  const ports = ['--grpc-port', '0', '--http-port', '0', '--log-level', 'info']
  return start('Rollcall', [process.execPath, MAIN, ...ports, ...flags])
}

/** go-control-plane with one of its caches; see peer/server. */
export function startPeer(
  binary: string,
  cache: 'linear' | 'snapshot',
  services: number,
  endpoints: number,
): Promise<BenchServer> {
  const size = ['-services', `${services}`, '-endpoints', `${endpoints}`]
  return start(cache, [binary, '-cache', cache, ...size])
}

async function start(name: string, command: readonly string[]): Promise<BenchServer> {
  const [file = '', ...args] = pinned(0, command)
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  const { httpPort, grpcPort } = await ready(child)
  const stat = (): string[] => readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')
  return {
    name,
    isPeer: name !== 'Rollcall',
    pid: child.pid ?? 0,
    httpPort,
    grpcPort,
    residentBytes: () => Number(stat()[21]) * 4096,
    cpuMs: () => (Number(stat()[11]) + Number(stat()[12])) * 10,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      process.removeListener('exit', kill)
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
