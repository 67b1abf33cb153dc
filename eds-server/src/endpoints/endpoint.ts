/** One instance as Envoy's `LbEndpoint`. */
import type { Instance, MetadataValue } from '../registry/instance.ts'
import { encoder } from '../xds/protos.ts'
import { bytesField } from '../xds/wire.ts'
import { HEALTH_STATUS, type HealthStatus, healthStatusOf } from './health-status.ts'

/** The bytes of `LocalityLbEndpoints.lb_endpoints` (field 2), key and length included. */
export type EncodedEndpoint = Buffer

const encodeLbEndpoint = encoder('envoy.config.endpoint.v3.LbEndpoint')

/** The endpoint with the health that the instance's status says. */
export function encodedEndpoint(instance: Instance): EncodedEndpoint {
  return encode(instance, healthStatusOf(instance))
}

/** The endpoint of an instance that is on its way out: UNHEALTHY, so that Envoy lets go of it. */
export function encodedWithdrawal(instance: Instance): EncodedEndpoint {
  return encode(instance, HEALTH_STATUS.UNHEALTHY)
}

function encode(instance: Instance, healthStatus: HealthStatus): EncodedEndpoint {
  const metadata = lbMetadata(instance)
  const message = encodeLbEndpoint({
    endpoint: { address: { socket_address: { address: instance.address, port_value: instance.port } } },
    health_status: healthStatus,
    // A missing weight is 1 for Envoy and for gRPC alike.
    ...(instance.weight === 1 ? {} : { load_balancing_weight: { value: instance.weight } }),
    ...(metadata ? { metadata: { filter_metadata: metadata } } : {}),
  })
  return bytesField(2, message)
}

/** An entry of a protobuf map: a descriptor set knows maps only as the repeated entries that they are on the wire. */
interface MapEntry {
  readonly key: string
  readonly value: object
}

/** Metadata under `envoy.lb`, where subset load balancing and v1's `canary` look for it. */
function lbMetadata({ metadata, canary }: Instance): MapEntry[] | undefined {
  const values: Record<string, MetadataValue | undefined> = {
    ...metadata,
    ...(canary === undefined ? {} : { canary }),
  }
  // Sorted, so that equal content has equal bytes and so an equal version.
  const fields = Object.keys(values)
    .sort()
    .map(key => ({ key, value: protobufValue(values[key] ?? '') }))
  return fields.length > 0 ? [{ key: 'envoy.lb', value: { fields } }] : undefined
}

function protobufValue(value: MetadataValue): object {
  if (typeof value === 'string') return { string_value: value }
  return typeof value === 'number' ? { number_value: value } : { bool_value: value }
}
