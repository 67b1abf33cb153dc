/** Reads back what clients are told of a service. */
import { decoder } from '../../eds-server/src/xds/protos.ts'
import type { Resource } from '../../eds-server/src/xds/resource.ts'
import { WireReader } from '../../eds-server/src/xds/wire-reader.ts'

export interface Assignment {
  cluster_name: string
  endpoints?: {
    locality?: { region?: string; zone?: string; sub_zone?: string }
    load_balancing_weight?: { value: number }
    priority?: number
    lb_endpoints?: {
      endpoint: { address: { socket_address: { address: string; port_value: number } } }
      health_status?: number
      load_balancing_weight?: { value: number }
      metadata?: { filter_metadata: { key: string; value: { fields: { key: string; value: object }[] } }[] }
    }[]
  }[]
}

export const HEALTH = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED']
const decode = decoder('envoy.config.endpoint.v3.ClusterLoadAssignment') as (bytes: Buffer) => Assignment

export function decodeAssignment(bytes: Buffer): Assignment {
  return decode(bytes)
}

/** `8081 HEALTHY` for each endpoint, in the order sent. */
export function summaryOf(resource: Resource | undefined): string[] {
  if (!resource) return ['nothing']
  const endpoints = decode(messageOf(resource.any)).endpoints ?? []
  return endpoints
    .flatMap(group => group.lb_endpoints ?? [])
    .map(({ endpoint, health_status = 0 }) => {
      return `${endpoint.address.socket_address.port_value} ${HEALTH[health_status]}`
    })
}

function messageOf(any: Buffer): Buffer {
  const reader = new WireReader(any)
  while (reader.next()) {
    if (reader.field === 2) return reader.bytes()
    reader.skip()
  }
  return Buffer.alloc(0)
}
