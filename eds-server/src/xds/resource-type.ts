/** What differs between xDS resource types, as properties: no branch on a type URL anywhere else. */
export interface ResourceType {
  readonly typeUrl: string
  /** SotW responses carry the complete set; absence deletes. Otherwise they may carry a part. */
  readonly fullStateInSotw: boolean
  /** A first request without names means everything. */
  readonly legacyWildcard: boolean
}

function resourceType(typeUrl: string, fullStateInSotw: boolean): ResourceType {
  return { typeUrl, fullStateInSotw, legacyWildcard: fullStateInSotw }
}

/** In make-before-break order: on one aggregated stream an earlier type is sent before a later one. */
export const CLUSTER: ResourceType = resourceType('type.googleapis.com/envoy.config.cluster.v3.Cluster', true)
export const ENDPOINT: ResourceType = resourceType(
  'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  false,
)
export const LISTENER: ResourceType = resourceType(
  'type.googleapis.com/envoy.config.listener.v3.Listener',
  true,
)
export const ROUTE: ResourceType = resourceType(
  'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  false,
)

export const RESOURCE_TYPES: readonly ResourceType[] = [CLUSTER, ENDPOINT, LISTENER, ROUTE]
