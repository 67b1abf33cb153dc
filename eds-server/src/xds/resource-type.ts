/** What differs between xDS resource types, as properties: no branch on a type URL anywhere else. */
import { assignmentNameOf } from './cluster-message.ts'
import { isApiListener } from './listener-message.ts'

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
  /** Uses resources of other types: only when a client has accepted these does it let go of those. */
  readonly refersToOthers: boolean
  /** Sends traffic to clusters by name, which must be there before. */
  readonly refersToClusters: boolean
  /** May be in use by resources of other types, so it is removed after they have changed. */
  readonly isRemovedLast: boolean
  /** Secrets: only for clients that nobody can overhear (F62), and never shown (F66). */
  readonly isConfidential: boolean
  /** Its resources may have a time to live. */
  readonly mayExpire: boolean
  /** A name that leads to nothing is told as an alias of nothing: what on-demand discovery waits for. */
  readonly absenceIsAlias: boolean
  /** Whether this encoded message is only for clients that ask for it by name. */
  readonly isOnDemand: (message: Uint8Array) => boolean
}

export interface Awaited {
  readonly typeUrl: string
  /** The name of the resource that the one in this encoded message waits for, if it waits for one. */
  readonly nameOf: (message: Uint8Array) => string | undefined
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
    refersToOthers: false,
    refersToClusters: false,
    isRemovedLast: false,
    isConfidential: false,
    mayExpire: true,
    absenceIsAlias: false,
    isOnDemand: () => false,
    ...properties,
  }
}

const FULL_STATE: Properties = { fullStateInSotw: true, legacyWildcard: true }
const TO_CLUSTERS: Properties = { refersToOthers: true, refersToClusters: true }

export const ENDPOINT: ResourceType = resourceType(
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'endpoint.v3.EndpointDiscoveryService',
  {
    restName: 'endpoints',
    v2TypeUrl: 'type.googleapis.com/envoy.api.v2.ClusterLoadAssignment',
    isRemovedLast: true,
    // A client that is cut off keeps the hosts that it has.
    mayExpire: false,
  },
)
export const CLUSTER: ResourceType = resourceType(
  'envoy.config.cluster.v3.Cluster',
  'cluster.v3.ClusterDiscoveryService',
  {
    ...FULL_STATE,
    restName: 'clusters',
    awaits: { typeUrl: ENDPOINT.typeUrl, nameOf: assignmentNameOf },
    refersToOthers: true,
    isRemovedLast: true,
  },
)
/** Endpoints one by one, of assignments that name a collection of them. */
export const LB_ENDPOINT: ResourceType = resourceType(
  'envoy.config.endpoint.v3.LbEndpoint',
  'endpoint.v3.LocalityEndpointDiscoveryService',
  { isRemovedLast: true, mayExpire: false },
)
export const LISTENER: ResourceType = resourceType(
  'envoy.config.listener.v3.Listener',
  'listener.v3.ListenerDiscoveryService',
  // Envoy, which asks for every listener, refuses those of gRPC clients; they ask by name.
  { ...FULL_STATE, ...TO_CLUSTERS, restName: 'listeners', isOnDemand: isApiListener },
)
export const ROUTE: ResourceType = resourceType(
  'envoy.config.route.v3.RouteConfiguration',
  'route.v3.RouteDiscoveryService',
  { ...TO_CLUSTERS, restName: 'routes', isRemovedLast: true },
)
export const SCOPED_ROUTE: ResourceType = resourceType(
  'envoy.config.route.v3.ScopedRouteConfiguration',
  'route.v3.ScopedRoutesDiscoveryService',
  { ...FULL_STATE, ...TO_CLUSTERS, restName: 'scoped-routes' },
)
export const VIRTUAL_HOST: ResourceType = resourceType(
  'envoy.config.route.v3.VirtualHost',
  'route.v3.VirtualHostDiscoveryService',
  // Envoy takes no heartbeats of these.
  { ...TO_CLUSTERS, mayExpire: false, absenceIsAlias: true },
)
export const SECRET: ResourceType = resourceType(
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'secret.v3.SecretDiscoveryService',
  { restName: 'secrets', isRemovedLast: true, isConfidential: true },
)
export const RUNTIME: ResourceType = resourceType(
  'envoy.service.runtime.v3.Runtime',
  'runtime.v3.RuntimeDiscoveryService',
  { restName: 'runtime' },
)
export const EXTENSION_CONFIG: ResourceType = resourceType(
  'envoy.config.core.v3.TypedExtensionConfig',
  'extension.v3.ExtensionConfigDiscoveryService',
  { restName: 'extension_configs', isRemovedLast: true },
)

/** In make-before-break order: on one aggregated stream an earlier type is sent before a later one. */
export const RESOURCE_TYPES: readonly ResourceType[] = [
  CLUSTER,
  ENDPOINT,
  LB_ENDPOINT,
  LISTENER,
  ROUTE,
  SCOPED_ROUTE,
  VIRTUAL_HOST,
  SECRET,
  RUNTIME,
  EXTENSION_CONFIG,
]
