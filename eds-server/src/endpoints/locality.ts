/** Groups instances by priority and locality, in the one order that equal content always has. */
import type { Instance, Locality } from '../registry/instance.ts'
import { encoder } from '../xds/protos.ts'
import { bytesField } from '../xds/wire.ts'

export interface LocalityGroup {
  readonly locality: Locality
  readonly priority: number
  /** Sorted by address and port. */
  readonly instances: readonly Instance[]
}

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

/** Groups with priorities 0..N without a gap, whatever numbers the instances were registered with. */
export function groupByLocality(instances: Iterable<Instance>): LocalityGroup[] {
  const groups = new Map<string, { locality: Locality; priority: number; instances: Instance[] }>()
  for (const instance of instances) {
    const { locality, priority } = instance
    const key = JSON.stringify([priority, locality.region, locality.zone, locality.subZone])
    const group = groups.get(key)
    if (group) group.instances.push(instance)
    else groups.set(key, { locality, priority, instances: [instance] })
  }
  const sorted = [...groups.values()].sort(byPriorityAndPlace)
  const priorities = [...new Set(sorted.map(group => group.priority))]
  return sorted.map(group => ({
    locality: group.locality,
    priority: priorities.indexOf(group.priority),
    instances: group.instances.sort(byAddress),
  }))
}

function byPriorityAndPlace(a: LocalityGroup, b: LocalityGroup): number {
  return (
    a.priority - b.priority ||
    compare(a.locality.region, b.locality.region) ||
    compare(a.locality.zone, b.locality.zone) ||
    compare(a.locality.subZone, b.locality.subZone)
  )
}

function byAddress(a: Instance, b: Instance): number {
  return compare(a.address, b.address) || a.port - b.port
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
