/** The EDS server as its own process, pinned to core 0 where `taskset` exists, so that it is measured and not us. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'eds-server', 'dist', 'main.js')
const canPin = spawnSync('taskset', ['-V']).status === 0

export interface BenchServer {
  readonly httpPort: number
  readonly grpcPort: number
  /** Resident memory, bytes. */
  residentBytes(): number
  /** CPU time used since the start, milliseconds. */
  cpuMs(): number
  stop(): Promise<void>
}

export async function startServer(flags: readonly string[] = []): Promise<BenchServer> {
  const command = [
    process.execPath,
    MAIN,
    '--grpc-port',
    '0',
    '--http-port',
    '0',
    '--log-level',
    'info',
    ...flags,
  ]
  const argv = canPin ? ['taskset', '-c', '0', ...command] : command
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  const { httpPort, grpcPort } = await ready(child)
  const stat = (): string[] => readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')
  return {
    httpPort,
    grpcPort,
    residentBytes: () => Number(stat()[21]) * 4096,
    cpuMs: () => (Number(stat()[11]) + Number(stat()[12])) * 10,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
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
