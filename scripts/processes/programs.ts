/** The three programs of the house as child processes: how each is started, and what it prints when it is ready. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findEnvoy } from '../envoy-binary.mjs'
import { Child } from './child.ts'
import { EnvoyAdmin } from './envoy-admin.ts'
import { until } from './until.ts'

export const ROOT: string = join(import.meta.dirname, '..', '..')

interface Common {
  name?: string | undefined
  /** More command line arguments. */
  args?: readonly string[] | undefined
  env?: Readonly<Record<string, string>> | undefined
  logFolder?: string | undefined
}

export interface EdsServerOptions extends Common {
  /** Default 8080; 0 = any free port. */
  grpcPort?: number | undefined
  /** Default 5000; 0 = any free port. */
  httpPort?: number | undefined
}

export class EdsServer implements AsyncDisposable {
  readonly child: Child
  readonly grpcPort: number
  readonly httpPort: number
  /** `http://127.0.0.1:<httpPort>` */
  readonly url: string

  constructor(child: Child, grpcPort: number, httpPort: number) {
    this.child = child
    this.grpcPort = grpcPort
    this.httpPort = httpPort
    this.url = `http://127.0.0.1:${httpPort}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]()
  }
}

/** Starts the EDS server as a child, without waiting: for tests of what it says when it cannot start. */
export function spawnEdsServer({ name = 'eds-server', args = [], ...common }: Common): Child {
  const main = join(ROOT, 'eds-server', 'dist', 'main.js')
  return new Child({ ...common, name, command: process.execPath, args: [main, ...args] })
}

/** Resolves once both ports are open. Memory only unless `args` name a `--data-dir`: what it plays leaves nothing behind. */
export async function startEdsServer(options: EdsServerOptions = {}): Promise<EdsServer> {
  const { grpcPort = 8080, httpPort = 5000, args = [], ...common } = options
  const ports = ['--grpc-port', String(grpcPort), '--http-port', String(httpPort), '--data-dir', 'none']
  const child = spawnEdsServer({ ...common, args: [...ports, ...args] })
  const ready = await disposedOnError(child, child.line('its ready line', logged('ready')))
  return new EdsServer(child, Number(ready.grpcPort), Number(ready.httpPort))
}

export interface UpstreamOptions extends Common {
  /** Default 8081; 0 = any free port. */
  port?: number | undefined
  /** Base URL of the registry. Default http://127.0.0.1:5000. */
  registry?: string | undefined
  /** Resolve when it listens, without waiting until it is registered. Default false. */
  unregistered?: boolean | undefined
}

export class Upstream implements AsyncDisposable {
  readonly child: Child
  readonly port: number
  /** What `GET /` answers. */
  readonly uuid: string

  constructor(child: Child, port: number, uuid: string) {
    this.child = child
    this.port = port
    this.uuid = uuid
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]()
  }
}

/** Resolves once it listens and the registry has taken it in. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const {
    port = 8081,
    registry = 'http://127.0.0.1:5000',
    args = [],
    unregistered = false,
    ...common
  } = options
  const child = new Child({
    ...common,
    name: common.name ?? `upstream-${port}`,
    command: process.execPath,
    args: [
      join(ROOT, 'upstream-server', 'dist', 'main.js'),
      ...['--port', String(port), '--registry', registry],
      ...args,
    ],
  })
  const listening = await disposedOnError(child, child.line('its listening line', logged('listening')))
  if (!unregistered) await disposedOnError(child, child.line('its registered line', logged('registered')))
  return new Upstream(child, Number(listening.port), String(listening.uuid))
}

export interface EnvoyOptions extends Common {
  /** Path of a bootstrap file. */
  bootstrap: string
  /** A file that Envoy writes its admin address to. */
  adminAddressPath: string
  /** Wait until it listens for traffic, which it does not before the EDS server has answered. Default true. */
  serving?: boolean | undefined
}

export class Envoy implements AsyncDisposable {
  readonly child: Child
  readonly admin: EnvoyAdmin

  constructor(child: Child, admin: EnvoyAdmin) {
    this.child = child
    this.admin = admin
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]()
  }
}

/** Resolves once it takes traffic (or, with `serving: false`, once its admin port answers). Fails without a binary. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const { bootstrap, adminAddressPath, serving = true, args = [], ...common } = options
  const command = findEnvoy()
  if (command === undefined) throw new Error('no Envoy: set ENVOY_BIN, or run node scripts/setup.mjs --envoy')
  const child = new Child({
    ...common,
    name: common.name ?? 'envoy',
    command,
    args: [
      ...['-c', bootstrap, '--admin-address-path', adminAddressPath],
      // Several Envoys side by side would share hot restart's memory region.
      ...['--disable-hot-restart', '--log-level', 'warning', '--concurrency', '1'],
      ...args,
    ],
  })
  const admin = await disposedOnError(child, adminOf(child, adminAddressPath, serving))
  return new Envoy(child, admin)
}

async function adminOf(child: Child, addressPath: string, serving: boolean): Promise<EnvoyAdmin> {
  const ended = child.exited.then(() => {
    throw new Error(`${child.name} ended:\n${child.tail()}`)
  })
  ended.catch(() => undefined)
  const asked = async (): Promise<EnvoyAdmin> => {
    const address = await until('Envoy writes its admin address', async () => {
      // Created first and filled later.
      const text = await readFile(addressPath, 'utf8')
      return /:\d+$/.test(text) && text
    })
    const admin = new EnvoyAdmin(`http://${address}`)
    const what = serving ? 'Envoy is ready' : "Envoy's admin port answers"
    await until(what, async () => !serving || (await admin.ready()), { withinMs: 20_000, everyMs: 20 })
    return admin
  }
  return await Promise.race([asked(), ended])
}

/** A matcher for `Child.line`: the JSON log line with this `msg`. */
export function logged(message: string): (line: string) => Record<string, unknown> | undefined {
  return line => {
    if (!line.startsWith('{')) return undefined
    const entry = JSON.parse(line) as Record<string, unknown>
    return entry.msg === message ? entry : undefined
  }
}

async function disposedOnError<T>(child: Child, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    await child[Symbol.asyncDispose]()
    throw error
  }
}
