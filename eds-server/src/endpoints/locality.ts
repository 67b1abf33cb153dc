/** Where instances are: the order of priorities and localities that equal content always has. */
import type { Instance, Locality } from '../registry/instance.ts'
import { encoder } from '../xds/protos.ts'
import { bytesField } from '../xds/wire.ts'

/** A locality at a priority, as registered. */
export type Place = Pick<Instance, 'locality' | 'priority'>

const encodeLocalityMessage = encoder('envoy.config.core.v3.Locality')

/** `LocalityLbEndpoints.locality` (field 1): always there, even empty, since gRPC clients refuse its absence. */
export function encodedLocality({ region, zone, subZone }: Locality): Buffer {
  const message = encodeLocalityMessage({
    ...(region && { region }),
    ...(zone && { zone }),
    ...(subZone && { sub_zone: subZone }),
  })
  return bytesField(1, message)
}

/** Less than 0: `a` comes first; 0: they are the same place. */
export function comparePlaces(a: Place, b: Place): number {
  return (
    a.priority - b.priority ||
    compare(a.locality.region, b.locality.region) ||
    compare(a.locality.zone, b.locality.zone) ||
    compare(a.locality.subZone, b.locality.subZone)
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
