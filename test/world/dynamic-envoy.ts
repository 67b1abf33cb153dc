/**
 * An Envoy that has nothing but where its control plane is, by the shipped bootstraps, and what it is asked about:
 * which clusters, listeners and routes it has, and what they came to.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Envoy, startEnvoy } from '../../scripts/processes/programs.ts'
import { type ControlPlaneBootstrap, controlPlaneBootstrapWith } from './bootstrap.ts'
import type { World } from './world.ts'

/** Waits until its admin port answers, or with `serving` until it has everything that it asked for. */
export async function startDynamicEnvoy(
  world: World,
  bootstrap: ControlPlaneBootstrap,
  { grpcPort, nodeId, serving = true }: { grpcPort: number; nodeId?: string; serving?: boolean },
): Promise<Envoy> {
  const name = nodeId ?? 'dynamic'
  const file = join(world.folder, `${name}.yaml`)
  writeFileSync(file, controlPlaneBootstrapWith(bootstrap, { serverPort: grpcPort, nodeId }))
  const adminAddressPath = join(world.folder, `${name}.admin`)
  const options = { name, bootstrap: file, adminAddressPath, serving, logFolder: world.folder }
  const envoy = await startEnvoy(options)
  world.adopt(envoy.child)
  return envoy
}

type Named = { name: string }

interface Dumped {
  name?: string
  cluster?: Named & { connect_timeout?: string }
  active_state?: { listener: Named }
  route_config?: Named
}

async function dumped({ admin }: Envoy, resource: string): Promise<Dumped[]> {
  const answer = await fetch(`${admin.url}/config_dump?resource=${resource}`)
  const { configs = [] } = (await answer.json()) as { configs?: Dumped[] }
  return configs
}

/** The active clusters by name, with their connect_timeout. */
export async function activeClusters(envoy: Envoy): Promise<Map<string, string | undefined>> {
  const configs = await dumped(envoy, 'dynamic_active_clusters')
  return new Map(configs.flatMap(({ cluster: c }) => (c ? [[c.name, c.connect_timeout] as const] : [])))
}

export async function activeListeners(envoy: Envoy): Promise<string[]> {
  const configs = await dumped(envoy, 'dynamic_listeners')
  return configs.flatMap(({ active_state: active }) => (active ? [active.listener.name] : [])).sort()
}

export async function activeRoutes(envoy: Envoy): Promise<string[]> {
  const configs = await dumped(envoy, 'dynamic_route_configs')
  return configs.flatMap(({ route_config: route }) => (route ? [route.name] : [])).sort()
}

/** The value of a runtime key in each layer, as `/runtime` shows it; undefined: no layer has it. */
export async function runtimeOf({ admin }: Envoy, key: string): Promise<string | undefined> {
  const answer = await fetch(`${admin.url}/runtime`)
  const { entries } = (await answer.json()) as { entries: Record<string, { final_value: string }> }
  return entries[key]?.final_value
}
