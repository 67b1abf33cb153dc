/**
 * What most scenarios play on: a registry that can be killed and started again on its ports, upstreams, Envoys behind
 * a witness, traffic in an open loop, and the history of it all.
 */
import { join } from 'node:path'
import { hostPort } from '../../eds-server/src/registry/instance.ts'
import type { Exit } from '../../scripts/processes/child.ts'
import type { Load } from '../../scripts/processes/load.ts'
import { describeReport, type LoadReport } from '../../scripts/processes/load-report.ts'
import type { EdsServer, Upstream } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { History } from '../history/history.ts'
import { validate } from '../history/validators.ts'
import { Witness } from '../history/witness.ts'
import type { Bootstrap, BootstrapChange } from '../world/bootstrap.ts'
import { moreRequests, uuidsSeen } from '../world/front.ts'
import { ready } from '../world/members.ts'
import { freePort, type World, type WorldEnvoy } from '../world/world.ts'
import { followAnnouncements } from './announcements.ts'

const SERVICE = 'myservice'
const RATE = 500
/** How the note of a start begins. */
export const REGISTRY_STARTED = 'registry started'

export interface Ending {
  /** `0 of 12,345 requests failed (500/s)`, for each load. */
  readonly traffic: string
  readonly failed: number
  /** Violations in the history, and more failed requests than may be. */
  readonly broken: string[]
}

export class Stage {
  readonly world: World
  readonly history: History
  readonly #loads: Load[] = []
  #witness: Witness | undefined
  #registry: EdsServer | undefined
  #args: readonly string[] = []

  constructor(world: World) {
    this.world = world
    this.history = new History(join(world.folder, 'history.jsonl'))
  }

  get registry(): EdsServer {
    if (!this.#registry) throw new Error('no registry was started')
    return this.#registry
  }

  get witness(): Witness {
    if (!this.#witness) throw new Error('no registry was started')
    return this.#witness
  }

  /** The store's folder, of a registry that was started without a `--data-dir`. */
  get dataDir(): string {
    return join(this.world.folder, 'data')
  }

  /** Starts the registry with a store in the world's folder, or starts the next one in its place. */
  async startRegistry({
    args = this.#args,
    env,
  }: {
    args?: readonly string[]
    env?: Record<string, string>
  } = {}): Promise<EdsServer> {
    this.#args = args
    const { grpcPort = 0, httpPort = 0 } = this.#registry ?? {}
    const all = ['--data-dir', this.dataDir, ...args]
    const registry = await this.world.startRegistry({ grpcPort, httpPort, args: all, env })
    this.#registry = registry
    this.history.record({ kind: 'note', what: `${REGISTRY_STARTED}, pid ${registry.child.pid}` })
    this.#witness ??= this.world.keep(
      await Witness.start(registry.grpcPort, event => this.history.record(event)),
    )
    this.world.keep(await followAnnouncements(registry.url, event => this.history.record(event)))
    return registry
  }

  async killRegistry(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.history.record({ kind: 'note', what: `registry: ${signal}` })
    await this.registry.child.stop(signal)
  }

  /** An Envoy behind the witness. */
  async startEnvoy({
    bootstrap = 'eds-grpc.yaml',
    ...options
  }: {
    bootstrap?: Bootstrap
    nodeId?: string
    change?: BootstrapChange | undefined
  } = {}): Promise<WorldEnvoy> {
    const registry = { grpcPort: this.witness.port, httpPort: this.registry.httpPort }
    return await this.world.startEnvoy({ registry, bootstrap, ...options })
  }

  /** A registered upstream on a port of its own, or on the given one. */
  async startUpstream({ port, args }: { port?: number; args?: readonly string[] } = {}): Promise<Upstream> {
    const own = port ?? (await freePort())
    this.history.record({ kind: 'registered', service: SERVICE, address: `127.0.0.1:${own}` })
    return await this.world.startUpstream({ registry: this.registry, port: own, args })
  }

  /** So many upstreams, once all of them answer through Envoy. */
  async startFleet(envoy: WorldEnvoy, count = 3): Promise<Upstream[]> {
    const fleet: Upstream[] = []
    while (fleet.length < count) fleet.push(await this.startUpstream())
    const all = async (): Promise<boolean> => (await uuidsSeen(envoy.url, 20)).size === count
    await until('all answer', all, { withinMs: 20_000 })
    return fleet
  }

  /** Ends an upstream as a deploy does. */
  async stopUpstream({ child, address }: Upstream): Promise<Exit> {
    this.history.record({ kind: 'leaving', service: SERVICE, address })
    const exit = await child.stop('SIGTERM')
    this.history.record({ kind: 'deregistered', service: SERVICE, address })
    return exit
  }

  async killUpstream({ child, address }: Upstream): Promise<void> {
    this.history.record({ kind: 'lost', service: SERVICE, address })
    await child.stop('SIGKILL')
  }

  /** Traffic through an Envoy as an open loop, 500 requests a second; every result is recorded. */
  async startLoad(envoy: WorldEnvoy, { ratePerSecond = RATE } = {}): Promise<Load> {
    const recordTo = join(this.world.folder, `load-${this.#loads.length + 1}.jsonl`)
    const load = await this.world.startLoad({ url: envoy.url, ratePerSecond, recordTo })
    this.#loads.push(load)
    return load
  }

  /** Waits until the server is warm and every Envoy that is connected has confirmed the `members` instances. */
  async inSync(members: number, envoys = 1): Promise<void> {
    await ready(this.registry)
    const look = async (): Promise<boolean> => {
      const { nodes } = (await this.ask('/v1/nodes')) as { nodes: { types: { state: string }[] }[] }
      const isSynced = nodes.every(({ types }) => types.every(({ state }) => state === 'SYNCED'))
      return (await this.addresses()).length === members && nodes.length === envoys && isSynced
    }
    await until(`${envoys} Envoys have ${members} instances`, look, { withinMs: 60_000, everyMs: 20 })
  }

  /** What the registry has of a service. */
  async addresses(service = SERVICE): Promise<string[]> {
    const { instances = [] } = (await this.ask(`/v1/services/${service}/instances`)) as {
      instances?: { address: string; port: number }[]
    }
    return instances.map(hostPort)
  }

  /** The JSON at a path of the registry. */
  async ask(path: string): Promise<unknown> {
    return await (await fetch(this.registry.url + path)).json()
  }

  /**
   * Some more traffic, the end of it, and the judgement: call it when `inSync` holds. So many requests of each load
   * may fail, default none.
   */
  async finish({ mayFail = 0 } = {}): Promise<Ending> {
    const reports: LoadReport[] = []
    for (const load of this.#loads) {
      await moreRequests(load, 500)
      reports.push(await load.stop())
    }
    this.history.record({ kind: 'settled', service: SERVICE, addresses: await this.addresses() })
    const failures = reports.filter(({ failed }) => failed > mayFail).map(describeReport)
    return {
      traffic: reports.map(shortly).join(', '),
      failed: reports.reduce((sum, { failed }) => sum + failed, 0),
      broken: [...validate(this.history.events), ...failures],
    }
  }
}

function shortly({ failed, requests, seconds }: LoadReport): string {
  const rate = Math.round(requests / seconds)
  return `${failed.toLocaleString('en-US')} of ${requests.toLocaleString('en-US')} requests failed (${rate}/s)`
}
