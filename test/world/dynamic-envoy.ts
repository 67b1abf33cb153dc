/** What an Envoy that gets everything from its control plane has: clusters, listeners, routes. */
import type { EnvoyAdmin } from '../../scripts/processes/envoy-admin.ts'

type Named = { name: string }

interface Dumped {
  name?: string
  cluster?: Named & { connect_timeout?: string }
  active_state?: { listener: Named }
  route_config?: Named
}

async function dumped({ admin }: { admin: EnvoyAdmin }, resource: string): Promise<Dumped[]> {
  const answer = await fetch(`${admin.url}/config_dump?resource=${resource}`)
  const { configs = [] } = (await answer.json()) as { configs?: Dumped[] }
  return configs
}

/** The active clusters by name, with their connect_timeout. */
export async function activeClusters(envoy: { admin: EnvoyAdmin }): Promise<Map<string, string | undefined>> {
  const configs = await dumped(envoy, 'dynamic_active_clusters')
  return new Map(configs.flatMap(({ cluster: c }) => (c ? [[c.name, c.connect_timeout] as const] : [])))
}

export async function activeListeners(envoy: { admin: EnvoyAdmin }): Promise<string[]> {
  const configs = await dumped(envoy, 'dynamic_listeners')
  return configs.flatMap(({ active_state: active }) => (active ? [active.listener.name] : [])).sort()
}

export async function activeRoutes(envoy: { admin: EnvoyAdmin }): Promise<string[]> {
  const configs = await dumped(envoy, 'dynamic_route_configs')
  return configs.flatMap(({ route_config: route }) => (route ? [route.name] : [])).sort()
}
