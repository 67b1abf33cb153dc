/**
 * Instances in, `ClusterLoadAssignment` out: pure, and acceptable to Envoy and to gRPC's xDS clients alike
 * . Endpoints come already encoded (endpoint.ts); building is joining bytes.
 */
import type { Instance } from '../registry/instance.ts'
import { fieldHeader, stringField, uintField, varint } from '../xds/wire.ts'
import { type EncodedEndpoint, encodedEndpoint, encodedWithdrawal } from './endpoint.ts'
import { encodedLocality, groupByLocality, type LocalityGroup } from './locality.ts'

/** Field numbers of `ClusterLoadAssignment` and `LocalityLbEndpoints`. */
const CLUSTER_NAME = 1
const ENDPOINTS = 2
const LOCALITY_WEIGHT = 3
const LOCALITY_PRIORITY = 5
const UINT32_MAX = 0xffffffff

/**
 * The encoded assignment of a service. `withdrawn` instances are no longer registered; they are told as UNHEALTHY
 * once more before they vanish. No two of all these may share an address. No instance at all: an
 * assignment without endpoints, which tells Envoy to let go of every host.
 */
export function buildAssignment(
  service: string,
  instances: Iterable<Instance>,
  withdrawn: ReadonlySet<Instance> = new Set(),
): Buffer {
  const parts = [stringField(CLUSTER_NAME, service)]
  for (const group of groupByLocality([...instances, ...withdrawn])) {
    const endpoints = group.instances.map(instance =>
      withdrawn.has(instance) ? encodedWithdrawal(instance) : encodedEndpoint(instance),
    )
    appendGroup(parts, group, endpoints)
  }
  return Buffer.concat(parts)
}

function appendGroup(parts: Buffer[], group: LocalityGroup, endpoints: readonly EncodedEndpoint[]): void {
  const weight = Math.min(
    group.instances.reduce((sum, instance) => sum + instance.weight, 0),
    UINT32_MAX,
  )
  const fields = [
    encodedLocality(group.locality),
    ...endpoints,
    // `load_balancing_weight` is a UInt32Value. Without it gRPC skips the locality.
    Buffer.concat([fieldHeader(LOCALITY_WEIGHT, 1 + varint(weight).length), uintField(1, weight)]),
  ]
  if (group.priority > 0) fields.push(uintField(LOCALITY_PRIORITY, group.priority))
  const length = fields.reduce((sum, field) => sum + field.length, 0)
  parts.push(fieldHeader(ENDPOINTS, length), ...fields)
}
