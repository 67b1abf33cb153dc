/**
 * What a resource refers to by name: routes, clusters, secrets, extension configurations. Only what this server
 * itself is asked for: a name in another control plane, or in a bootstrap, is not ours to judge.
 */
import type { Message } from '@bufbuild/protobuf'
import type { ReflectMessage } from '@bufbuild/protobuf/reflect'
import { CLUSTER, EXTENSION_CONFIG, type ResourceType, ROUTE, SECRET } from '../xds/resource-type.ts'
import { step } from './refusal.ts'

export interface Reference {
  readonly type: ResourceType
  readonly name: string
  /** The part that refers, as a JSON pointer. */
  readonly path: string
}

/**
 * The names by which bootstraps call the server itself: static clusters, which no document declares, and the
 * sources whose names are ours.
 */
export const OWN_CLUSTERS: ReadonlySet<string> = new Set(['xds_cluster', 'eds_cluster'])

type Found = readonly (readonly [type: ResourceType, name: string, field: string])[]
// biome-ignore lint/suspicious/noExplicitAny: messages of types that are only known at run time
type Fields = Message & Record<string, any>

/** The references of this message alone, not of those inside it. */
export function referencesIn({ desc, message }: ReflectMessage, path: string): Reference[] {
  const found = FINDERS[desc.typeName]?.(message as Fields) ?? []
  return found.flatMap(([type, name, field]) =>
    name === '' || (type === CLUSTER && OWN_CLUSTERS.has(name))
      ? []
      : { type, name, path: field.split('/').reduce(step, path) },
  )
}

const cluster = (message: Fields): Found => [[CLUSTER, message.cluster, 'cluster']]
const named = (message: Fields): Found => [[CLUSTER, message.name, 'name']]
const specified = ({ clusterSpecifier }: Fields): Found =>
  clusterSpecifier.case === 'cluster' ? [[CLUSTER, clusterSpecifier.value, 'cluster']] : []

/** A filter that is discovered goes by the name of the place that it is for. */
const discovered = ({ name, configType }: Fields): Found => {
  const source = configType.case === 'configDiscovery' ? configType.value : undefined
  if (!source || source.defaultConfig || !isOurs(source.configSource)) return []
  return [[EXTENSION_CONFIG, name, 'name']]
}

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3'
const ROUTES = 'envoy.config.route.v3'
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'

const FINDERS: Readonly<Record<string, (message: Fields) => Found>> = {
  [`${HCM}.Rds`]: ({ configSource, routeConfigName }) =>
    isOurs(configSource) ? [[ROUTE, routeConfigName, 'route_config_name']] : [],
  [`${HCM}.HttpFilter`]: discovered,
  'envoy.config.listener.v3.Filter': discovered,
  'envoy.config.listener.v3.ListenerFilter': discovered,
  [`${ROUTES}.ScopedRouteConfiguration`]: ({ routeConfigurationName }) => [
    [ROUTE, routeConfigurationName, 'route_configuration_name'],
  ],
  [`${ROUTES}.RouteAction`]: specified,
  [`${ROUTES}.RouteAction.RequestMirrorPolicy`]: cluster,
  [`${ROUTES}.WeightedCluster.ClusterWeight`]: named,
  [TCP_PROXY]: specified,
  [`${TCP_PROXY}.WeightedCluster.ClusterWeight`]: named,
  'envoy.extensions.filters.udp.udp_proxy.v3.Route': cluster,
  'envoy.extensions.clusters.aggregate.v3.ClusterConfig': ({ clusters }) =>
    clusters.map((name: string, index: number) => [CLUSTER, name, `clusters/${index}`]),
  'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig': ({ name, sdsConfig }) =>
    isOurs(sdsConfig) ? [[SECRET, name, 'name']] : [],
}

/** True for a `ConfigSource` by which a client asks this server. */
function isOurs(source: Fields | undefined): boolean {
  const { case: kind, value } = source?.configSourceSpecifier ?? {}
  if (kind === 'ads' || kind === 'self') return true
  if (kind !== 'apiConfigSource') return false
  const names = value.grpcServices.map((service: Fields) => service.targetSpecifier.value?.clusterName)
  return [...value.clusterNames, ...names].some(name => OWN_CLUSTERS.has(name))
}
