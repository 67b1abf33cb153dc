/** What differs between xDS resource types, as properties: no branch on a type URL anywhere else. */
import { assignmentNameOf } from './cluster-message.ts'

export interface ResourceType {
  readonly typeUrl: string
  /** The full name of the typed discovery service that serves this type alone. */
  readonly discoveryService: string
  /** Its name in the paths of the REST form: `endpoints` in `/v3/discovery:endpoints`. Undefined: it has none. */
  readonly restName: string | undefined
  /** Its type URL in generation v2, where this server speaks that; the JSON of both is the same. */
  readonly v2TypeUrl: string | undefined
  /** SotW responses carry the complete set; absence deletes. Otherwise they may carry a part. */
  readonly fullStateInSotw: boolean
  /** A first request without names means everything. */
  readonly legacyWildcard: boolean
  /** What a new or changed resource of this type waits for before a client uses it. */
  readonly awaits: Awaited | undefined
}

export interface Awaited {
  readonly typeUrl: string
  /** The name of the resource that the one in this `Any` waits for, if it waits for one. */
  readonly nameOf: (any: Uint8Array) => string | undefined
}

type Properties = Partial<Omit<ResourceType, 'typeUrl' | 'discoveryService'>>

function resourceType(message: string, service: string, properties: Properties = {}): ResourceType {
  return {
    typeUrl: `type.googleapis.com/${message}`,
    discoveryService: `envoy.service.${service}`,
    restName: undefined,
    v2TypeUrl: undefined,
    fullStateInSotw: false,
    legacyWildcard: false,
    awaits: undefined,
    ...properties,
  }
}

const FULL_STATE: Properties = { fullStateInSotw: true, legacyWildcard: true }

export const ENDPOINT: ResourceType = resourceType(
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'endpoint.v3.EndpointDiscoveryService',
  { restName: 'endpoints', v2TypeUrl: 'type.googleapis.com/envoy.api.v2.ClusterLoadAssignment' },
)
export const CLUSTER: ResourceType = resourceType(
  'envoy.config.cluster.v3.Cluster',
  'cluster.v3.ClusterDiscoveryService',
  { ...FULL_STATE, restName: 'clusters', awaits: { typeUrl: ENDPOINT.typeUrl, nameOf: assignmentNameOf } },
)
export const LISTENER: ResourceType = resourceType(
  'envoy.config.listener.v3.Listener',
  'listener.v3.ListenerDiscoveryService',
  { ...FULL_STATE, restName: 'listeners' },
)
export const ROUTE: ResourceType = resourceType(
  'envoy.config.route.v3.RouteConfiguration',
  'route.v3.RouteDiscoveryService',
  { restName: 'routes' },
)
export const SCOPED_ROUTE: ResourceType = resourceType(
  'envoy.config.route.v3.ScopedRouteConfiguration',
  'route.v3.ScopedRoutesDiscoveryService',
  { ...FULL_STATE, restName: 'scoped-routes' },
)
export const VIRTUAL_HOST: ResourceType = resourceType(
  'envoy.config.route.v3.VirtualHost',
  'route.v3.VirtualHostDiscoveryService',
)
export const SECRET: ResourceType = resourceType(
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'secret.v3.SecretDiscoveryService',
  { restName: 'secrets' },
)
export const RUNTIME: ResourceType = resourceType(
  'envoy.service.runtime.v3.Runtime',
  'runtime.v3.RuntimeDiscoveryService',
  { restName: 'runtime' },
)
export const EXTENSION_CONFIG: ResourceType = resourceType(
  'envoy.config.core.v3.TypedExtensionConfig',
  'extension.v3.ExtensionConfigDiscoveryService',
  { restName: 'extension_configs' },
)

/** In make-before-break order: on one aggregated stream an earlier type is sent before a later one. */
export const RESOURCE_TYPES: readonly ResourceType[] = [
  CLUSTER,
  ENDPOINT,
  LISTENER,
  ROUTE,
  SCOPED_ROUTE,
  VIRTUAL_HOST,
  SECRET,
  RUNTIME,
  EXTENSION_CONFIG,
]
