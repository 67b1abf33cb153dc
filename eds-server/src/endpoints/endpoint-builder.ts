/**
 * Instances in, `ClusterLoadAssignment` out, acceptable to Envoy and to gRPC's xDS clients alike. It
 * keeps what it has encoded: a change of one instance costs the encoding of one endpoint and a copy of the rest. The
 * bytes say only what is told, never how it came to be.
 */
import { hostPort, type Instance } from '../registry/instance.ts'
import { fieldHeader, stringField, uintField, varint } from '../xds/wire.ts'
import { encodedEndpoint, encodedWithdrawal } from './endpoint.ts'
import { type Address, EndpointList } from './endpoint-list.ts'
import { comparePlaces, encodedLocality, type Place } from './locality.ts'
import { countBefore } from './sorted.ts'

/** Field numbers of `ClusterLoadAssignment` and `LocalityLbEndpoints`. */
const CLUSTER_NAME = 1
const ENDPOINTS = 2
const LOCALITY_WEIGHT = 3
const LOCALITY_PRIORITY = 5
const UINT32_MAX = 0xffffffff

interface Group extends Place {
  readonly encodedLocality: Buffer
  readonly endpoints: EndpointList
}

export class AssignmentBuilder {
  readonly #name: Buffer
  /** Sorted by place; none is empty. */
  readonly #groups: Group[] = []
  /** By address: no two endpoints share one. */
  readonly #groupOf = new Map<string, Group>()

  constructor(service: string) {
    this.#name = stringField(CLUSTER_NAME, service)
  }

  /** Tells the instance, in place of what is told at its address; `isWithdrawn`: as UNHEALTHY. */
  tell(instance: Instance, isWithdrawn = false): void {
    const address = hostPort(instance)
    const before = this.#groupOf.get(address)
    if (before && comparePlaces(before, instance) !== 0) this.forget(instance)
    const group = this.#groupAt(instance)
    group.endpoints.put(instance, isWithdrawn ? encodedWithdrawal(instance) : encodedEndpoint(instance))
    this.#groupOf.set(address, group)
  }

  /** Tells nothing at the address any more. */
  forget(address: Address): void {
    const key = hostPort(address)
    const group = this.#groupOf.get(key)
    if (!group) return
    this.#groupOf.delete(key)
    group.endpoints.remove(address)
    if (group.endpoints.isEmpty) this.#groups.splice(this.#groups.indexOf(group), 1)
  }

  /** No instance at all: an assignment without endpoints, which tells Envoy to let go of every host. */
  encode(): Buffer {
    const parts = [this.#name]
    // Priorities 0..N without a gap, whatever numbers the instances were registered with.
    let priority = -1
    let registered: number | undefined
    for (const group of this.#groups) {
      if (group.priority !== registered) priority += 1
      registered = group.priority
      appendGroup(parts, group, priority)
    }
    return Buffer.concat(parts)
  }

  #groupAt({ locality, priority }: Place): Group {
    const index = countBefore(this.#groups, each => comparePlaces(each, { locality, priority }) < 0)
    const present = this.#groups[index]
    if (present && comparePlaces(present, { locality, priority }) === 0) return present
    const endpoints = new EndpointList()
    const group = { locality, priority, encodedLocality: encodedLocality(locality), endpoints }
    this.#groups.splice(index, 0, group)
    return group
  }
}

/** The encoded assignment of a service with these instances, once. */
export function buildAssignment(service: string, instances: Iterable<Instance>): Buffer {
  const builder = new AssignmentBuilder(service)
  for (const instance of instances) builder.tell(instance)
  return builder.encode()
}

function appendGroup(parts: Buffer[], { encodedLocality, endpoints }: Group, priority: number): void {
  const weight = Math.min(endpoints.weight, UINT32_MAX)
  const fields = [
    encodedLocality,
    ...endpoints.encoded(),
    // `load_balancing_weight` is a UInt32Value. Without it gRPC skips the locality.
    Buffer.concat([fieldHeader(LOCALITY_WEIGHT, 1 + varint(weight).length), uintField(1, weight)]),
  ]
  if (priority > 0) fields.push(uintField(LOCALITY_PRIORITY, priority))
  const length = fields.reduce((sum, field) => sum + field.length, 0)
  parts.push(fieldHeader(ENDPOINTS, length), ...fields)
}
