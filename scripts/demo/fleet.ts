/** What the demo runs: the EDS server, a real Envoy with the shipped bootstrap, three upstreams, and traffic. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Child } from '../processes/child.ts'
import { describeExit } from '../processes/child.ts'
import { type Load, startLoad } from '../processes/load.ts'
import {
  type EdsServer,
  type Envoy,
  ROOT,
  startEdsServer,
  startEnvoy,
  startUpstream,
  type Upstream,
} from '../processes/programs.ts'
import { GRPC_PORT, HTTP_PORT, TRAFFIC_PORT } from './ports.ts'

export const BOOTSTRAP = 'envoy/eds-grpc.yaml'
export const FRONT: string = `http://127.0.0.1:${TRAFFIC_PORT}/`

export class Fleet {
  /** One log file per process; kept only when the demo fails. */
  readonly logFolder: string = mkdtempSync(join(tmpdir(), 'rollcall-demo-'))
  /** By port. */
  readonly upstreams: Map<number, Upstream> = new Map()
  #server: EdsServer | undefined
  #envoy: Envoy | undefined
  #load: Load | undefined

  async startServer(): Promise<EdsServer> {
    const { logFolder } = this
    this.#server = await startEdsServer({
      grpcPort: GRPC_PORT,
      httpPort: HTTP_PORT,
      logFolder,
    })
    return this.#server
  }

  async startEnvoy(): Promise<Envoy> {
    const { logFolder } = this
    const adminAddressPath = join(logFolder, 'admin-address')
    this.#envoy = await startEnvoy({ bootstrap: join(ROOT, BOOTSTRAP), adminAddressPath, logFolder })
    return this.#envoy
  }

  async startUpstream(port: number): Promise<Upstream> {
    const upstream = await startUpstream({ port, logFolder: this.logFolder })
    this.upstreams.set(port, upstream)
    return upstream
  }

  /** SIGTERM, wait until it has left and ended, start its successor on the same port. */
  async replaceUpstream(port: number): Promise<Upstream> {
    const exit = await this.upstreams.get(port)?.child.stop('SIGTERM')
    if (exit?.code !== 0) throw new Error(`upstream ${port}: ${exit ? describeExit(exit) : 'not running'}`)
    return await this.startUpstream(port)
  }

  async startLoad(): Promise<Load> {
    this.#load = await startLoad({ url: FRONT, ratePerSecond: 1000 })
    return this.#load
  }

  /** Tells of every process that ends from now on; playing with them is what the demo stays up for. */
  onEnd(tell: (what: string) => void): void {
    const programs = [this.#server, this.#envoy, ...this.upstreams.values()]
    for (const child of programs.flatMap(program => program?.child ?? [])) {
      void child.exited.then(exit => tell(`${child.name} ended: ${describeExit(exit)}`))
    }
  }

  /** Stops everything in the order of a good shutdown: those who leave, then those who must hear of it. */
  async stop({ keepLogs }: { keepLogs: boolean }): Promise<void> {
    await this.#load?.[Symbol.asyncDispose]()
    const upstreams = [...this.upstreams.values()]
    await Promise.all(upstreams.map(({ child }) => stopped(child)))
    await Promise.all([this.#envoy, this.#server].map(program => program && stopped(program.child)))
    if (!keepLogs) rmSync(this.logFolder, { recursive: true, force: true })
  }
}

/** Ends it, politely if it will. */
async function stopped(child: Child): Promise<void> {
  child.signal('SIGTERM')
  const impatience = setTimeout(() => child.signal('SIGKILL'), 10_000)
  await child.exited
  clearTimeout(impatience)
}
