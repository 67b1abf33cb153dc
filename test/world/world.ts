/**
 * A small world of real processes on ports of its own: registry, upstreams, Envoys and traffic. Everything in it
 * ends with the test, whether it passes, fails or runs out of time, and its logs are shown when it fails.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Child } from '../../scripts/processes/child.ts'
import type { EnvoyAdmin } from '../../scripts/processes/envoy-admin.ts'
import { type Load, type LoadOptions, startLoad } from '../../scripts/processes/load.ts'
import {
  type EdsServer,
  type EdsServerOptions,
  type Envoy,
  startEdsServer,
  startEnvoy,
  startUpstream,
  type Upstream,
  type UpstreamOptions,
} from '../../scripts/processes/programs.ts'
import { within } from '../../scripts/processes/until.ts'
import {
  type Bootstrap,
  type BootstrapChange,
  bootstrapWith,
  type ControlPlaneBootstrap,
  controlPlaneBootstrapWith,
  isRest,
} from './bootstrap.ts'

export interface WorldEnvoyOptions {
  /** A file of envoy/. Default `eds-grpc.yaml`. */
  bootstrap?: Bootstrap
  registry: { grpcPort: number; httpPort: number }
  nodeId?: string
  /** See EnvoyOptions. Default true. */
  serving?: boolean
  /** Of a bootstrap that asks over REST, instead of what it ships with. */
  refreshDelay?: string
  requestTimeout?: string
  /** Of the bootstrap. */
  change?: BootstrapChange | undefined
}

export interface DynamicEnvoyOptions {
  bootstrap?: ControlPlaneBootstrap
  registry: { grpcPort: number }
  nodeId?: string
  /** Resolve when it has all that it asked for, and not as soon as its admin port answers. Default true. */
  serving?: boolean
}

/** An Envoy and where it takes traffic. */
export class WorldEnvoy {
  readonly child: Child
  readonly admin: EnvoyAdmin
  /** `http://127.0.0.1:<listener port>/` */
  readonly url: string

  constructor({ child, admin }: Envoy, port: number) {
    this.child = child
    this.admin = admin
    this.url = `http://127.0.0.1:${port}/`
  }
}

export class World implements AsyncDisposable {
  /** Logs and generated bootstraps; deleted with the world. */
  readonly folder: string = mkdtempSync(join(tmpdir(), 'rollcall-'))
  readonly #owned: AsyncDisposable[] = []
  readonly #children: Child[] = []
  #isOver = false
  readonly #named = new Map<string, number>()

  /** The EDS server, both ports free ones unless given. */
  async startRegistry(options: EdsServerOptions = {}): Promise<EdsServer> {
    return await this.#own(
      startEdsServer({
        name: this.#name('registry'),
        grpcPort: 0,
        httpPort: 0,
        ...options,
        logFolder: this.folder,
      }),
    )
  }

  /** A registered upstream on a free port unless one is given. */
  async startUpstream(
    options: Omit<UpstreamOptions, 'registry'> & { registry: { url: string } },
  ): Promise<Upstream> {
    const { registry, ...rest } = options
    const name = this.#name('upstream')
    return await this.#own(
      startUpstream({ name, port: 0, ...rest, registry: registry.url, logFolder: this.folder }),
    )
  }

  async startEnvoy(options: WorldEnvoyOptions): Promise<WorldEnvoy> {
    const { bootstrap = 'eds-grpc.yaml', registry, serving, ...changes } = options
    const serverPort = isRest(bootstrap) ? registry.httpPort : registry.grpcPort
    const envoy = await this.#startEnvoy(bootstrapWith(bootstrap, { serverPort, ...changes }), serving)
    return new WorldEnvoy(envoy, await envoy.admin.listenerPort())
  }

  /** An Envoy that gets everything from the control plane. */
  async startDynamicEnvoy({
    bootstrap = 'control-plane.yaml',
    registry,
    nodeId,
    serving = true,
  }: DynamicEnvoyOptions): Promise<Envoy> {
    const changes = { serverPort: registry.grpcPort, nodeId }
    return await this.#startEnvoy(controlPlaneBootstrapWith(bootstrap, changes), serving)
  }

  async startLoad(options: LoadOptions): Promise<Load> {
    return this.keep(await startLoad(options))
  }

  /** Anything else that has to end with the world. */
  keep<T extends AsyncDisposable>(owned: T): T {
    this.#owned.push(owned)
    return owned
  }

  /** Any other child process; ends with the world. */
  adopt(child: Child): Child {
    this.#children.push(child)
    return this.keep(child)
  }

  /** The ends of all logs. */
  logs(): string {
    return this.#children.map(child => `  --- ${child.name} (pid ${child.pid})\n${child.tail(40)}`).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#owned.map(owned => owned[Symbol.asyncDispose]()))
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #startEnvoy(bootstrap: string, serving: boolean | undefined): Promise<Envoy> {
    const name = this.#name('envoy')
    const file = join(this.folder, `${name}.yaml`)
    writeFileSync(file, bootstrap)
    const adminAddressPath = join(this.folder, `${name}.admin`)
    return await this.#own(
      startEnvoy({ name, bootstrap: file, adminAddressPath, serving, logFolder: this.folder }),
    )
  }

  /** Counted when asked for, since several may be starting at a time. */
  #name(kind: string): string {
    const count = (this.#named.get(kind) ?? 0) + 1
    this.#named.set(kind, count)
    return `${kind}-${count}`
  }

  async #own<T extends AsyncDisposable & { child: Child }>(starting: Promise<T>): Promise<T> {
    const started = await starting
    this.adopt(started.child)
    // It came up after the test had run out of time.
    if (this.#isOver) await started[Symbol.asyncDispose]()
    return started
  }
}

/**
 * A test body with a world of its own: `test('…', inWorld(async world => { … }))`. At the deadline (default 60 s)
 * the test fails and its processes end, which node:test's own timeout would leave running.
 */
export function inWorld(
  body: (world: World, test: TestContext) => Promise<void>,
  { withinMs = 60_000 }: { withinMs?: number } = {},
): (test: TestContext) => Promise<void> {
  return async test => {
    await using world = new World()
    try {
      await within(withinMs, 'the test to end', body(world, test))
    } catch (error) {
      process.stderr.write(`${world.logs()}\n`)
      throw error
    }
  }
}

/** A port that was free a moment ago, for a program that must be told before it starts. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
