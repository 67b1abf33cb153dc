/** Builds the Go programs of peer/ into .cache/bench, and gives the load generator its jobs. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type BenchServer, pinned, ROOT } from './servers.ts'

export interface Peer {
  /** `go version`. */
  readonly go: string
  /** The version of go-control-plane. */
  readonly version: string
  readonly server: string
  readonly generator: string
}

/** What peer/load/main.go reads; it says what each field means. */
export interface Job {
  readonly part: string
  readonly streams?: number
  readonly services?: number
  readonly endpoints: number
  readonly mode?: 'sotw' | 'delta'
  readonly nodeBytes?: number
  readonly nodeInAcks?: boolean
  readonly changed?: number
  readonly changes?: number
  readonly warmup?: number
  readonly rate?: number
  readonly seconds?: number
  readonly rounds?: number
  readonly batch?: number
}

/** Undefined where `go` is not installed. */
export function buildPeer(): Peer | undefined {
  const source = join(import.meta.dirname, 'peer')
  const go = (...args: string[]) => spawnSync('go', args, { cwd: source, encoding: 'utf8' })
  const version = go('version')
  if (version.status !== 0) return undefined
  const folder = join(ROOT, '.cache', 'bench')
  const built = ['server', 'load'].map(name => {
    const binary = join(folder, name)
    const { status, stderr } = go('build', '-o', binary, `./${name}`)
    if (status !== 0) throw new Error(`go build ./${name}: ${stderr}`)
    return binary
  })
  const module = go('list', '-m', '-f', '{{.Version}}', 'github.com/envoyproxy/go-control-plane')
  const [server = '', generator = ''] = built
  return {
    go: version.stdout.trim().replace('go version ', ''),
    version: module.stdout.trim(),
    server,
    generator,
  }
}

/** Runs one job against the servers, which take turns in it; one result for each. */
export async function generate<Result>(
  peer: Peer,
  servers: readonly BenchServer[],
  job: Job,
): Promise<Result[]> {
  const [file = '', ...args] = pinned(1, [peer.generator])
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const targets = servers.map(({ name, isPeer, grpcPort, httpPort, pid }) => {
    return { name, isPeer, grpcPort, httpPort, pid }
  })
  child.stdin.end(JSON.stringify({ ...job, targets }))
  const exited = once(child, 'exit')
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  const [code] = (await exited) as [number | null]
  if (code !== 0) throw new Error(`the load generator failed in ${JSON.stringify(job)}`)
  return JSON.parse(text) as Result[]
}
