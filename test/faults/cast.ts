/** Who most scenarios of instances play with: upstreams behind an Envoy, traffic, and what Envoy thinks of each. */
import type { Load } from '../../scripts/processes/load.ts'
import { instant } from '../../scripts/processes/load-report.ts'
import type { Upstream } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import type { Bootstrap, BootstrapChange } from '../world/bootstrap.ts'
import type { WorldEnvoy } from '../world/world.ts'
import type { Stage } from './stage.ts'

export const FLEET = 3
export const SERVICE = 'myservice'

export interface Cast {
  envoy: WorldEnvoy
  fleet: Upstream[]
  load: Load
}

export interface CastOptions {
  /** Default 15s, as the server's. */
  leaseTtl?: string
  /** Default 1,000. */
  ratePerSecond?: number
  /** The registry's environment. */
  env?: Record<string, string>
  bootstrap?: Bootstrap
  change?: BootstrapChange
}

/** Three upstreams, all served, and a load on them. */
export async function startCast(stage: Stage, options: CastOptions = {}): Promise<Cast> {
  const { leaseTtl = '15s', ratePerSecond = 1000, env = {}, ...envoyOptions } = options
  await stage.startRegistry({ args: ['--lease-ttl', leaseTtl], env })
  const envoy = await stage.startEnvoy(envoyOptions)
  const fleet = await stage.startFleet(envoy, FLEET)
  await stage.inSync(FLEET)
  const load = await stage.startLoad(envoy, { ratePerSecond })
  return { envoy, fleet, load }
}

export interface PassedOver {
  /** Milliseconds since the call. */
  readonly afterMs: number
  /** Envoy's flags, or what the registry told it. */
  readonly why: string
}

/** Resolves when Envoy chooses the host no more, panic aside: it is marked, by whomever, or gone. */
export async function passedOver(envoy: WorldEnvoy, address: string, withinMs = 60_000): Promise<PassedOver> {
  const startedAt = instant()
  const why = await until(`Envoy passes ${address} over`, () => markOf(envoy, address), { withinMs })
  return { afterMs: instant() - startedAt, why }
}

/** Resolves when Envoy has nothing against the host. */
export async function chosenAgain(envoy: WorldEnvoy, address: string): Promise<void> {
  const look = async (): Promise<boolean> => (await markOf(envoy, address)) === undefined
  await until(`Envoy chooses ${address} again`, look, { withinMs: 60_000 })
}

/** Resolves when Envoy has not got the host any more. */
export async function removed(envoy: WorldEnvoy, address: string, withinMs = 90_000): Promise<void> {
  const look = async (): Promise<boolean> => (await markOf(envoy, address)) === 'removed'
  await until(`Envoy lets go of ${address}`, look, { withinMs })
}

/** What keeps Envoy from choosing the host; undefined if nothing does. */
async function markOf(envoy: WorldEnvoy, address: string): Promise<string | undefined> {
  const host = (await envoy.admin.hosts()).find(each => each.address === address)
  if (!host) return 'removed'
  if (host.flags.length > 0) return host.flags.join(' and ')
  return host.edsHealth === 'HEALTHY' ? undefined : `told ${host.edsHealth}`
}

/** How many assignments Envoys were sent so far, of one service. */
export function pushes(stage: Stage, service = SERVICE): number {
  return stage.history.events.filter(event => event.kind === 'sent' && event.service === service).length
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
