/**
 * All holdings by service, by instance id and by address. One instance per address and service: an address
 * names a host towards clients, so two holdings must never share one (X-42, F38).
 */
import type { Instance } from './instance.ts'
import type { Holding } from './lease.ts'
import { full } from './refusals.ts'

export interface Limits {
  readonly services: number
  readonly instancesPerService: number
  readonly instances: number
}

export const DEFAULT_LIMITS: Limits = { services: 10_000, instancesPerService: 50_000, instances: 1_000_000 }

interface Service {
  readonly name: string
  readonly byId: Map<string, Holding>
  /** By `addressKey`. */
  readonly byAddress: Map<string, string>
}

export class ServiceTable {
  readonly #services = new Map<string, Service>()
  readonly #limits: Limits
  #instances = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get instanceCount(): number {
    return this.#instances
  }

  names(): Iterable<string> {
    return this.#services.keys()
  }

  /** The holdings of a service; undefined for one never heard of, which is not the same as an empty one. */
  holdings(service: string): ReadonlyMap<string, Holding> | undefined {
    return this.#services.get(service)?.byId
  }

  get(service: string, instanceId: string): Holding | undefined {
    return this.#services.get(service)?.byId.get(instanceId)
  }

  at(service: string, address: string, port: number): Holding | undefined {
    const entry = this.#services.get(service)
    const id = entry?.byAddress.get(addressKey({ address, port }))
    return id === undefined ? undefined : entry?.byId.get(id)
  }

  /** Refuses `count` more instances of the service, one by default, where a limit would be reached (F50). */
  assertRoomFor(service: string, count = 1): void {
    const { services, instancesPerService, instances } = this.#limits
    const entry = this.#services.get(service)
    const inService = entry?.byId.size ?? 0
    if (entry === undefined && this.#services.size >= services) throw full('services', services)
    if (inService + count > instancesPerService)
      throw full(`instances of service ${JSON.stringify(service)}`, instancesPerService)
    if (this.#instances + count > instances) throw full('instances', instances)
  }

  /** Adds the holding, or moves it to the address that its instance has now. */
  put(holding: Holding, before?: Instance): void {
    const { instance } = holding
    const entry = this.#entry(instance.service)
    if (before) entry.byAddress.delete(addressKey(before))
    else this.#instances += 1
    entry.byId.set(instance.instanceId, holding)
    entry.byAddress.set(addressKey(instance), instance.instanceId)
  }

  /** The same text, shared by all instances of the service: each request brings a copy of its own. */
  nameOf(service: string): string {
    return this.#services.get(service)?.name ?? service
  }

  /** Makes the service known, which it stays when it is empty. */
  know(service: string): void {
    this.#entry(service)
  }

  *all(): Iterable<Holding> {
    for (const { byId } of this.#services.values()) yield* byId.values()
  }

  /** Forgets a service that has no holdings any more. */
  drop(service: string): void {
    if (this.#services.get(service)?.byId.size === 0) this.#services.delete(service)
  }

  remove(instance: Instance): void {
    const entry = this.#entry(instance.service)
    if (!entry.byId.delete(instance.instanceId)) return
    this.#instances -= 1
    const address = addressKey(instance)
    if (entry.byAddress.get(address) === instance.instanceId) entry.byAddress.delete(address)
  }

  #entry(name: string): Service {
    let entry = this.#services.get(name)
    if (!entry) {
      entry = { name, byId: new Map(), byAddress: new Map() }
      this.#services.set(name, entry)
    }
    return entry
  }
}

/** Joined, because a text that is put together by `+` or a template is kept with its parts, twice the size. */
function addressKey({ address, port }: Pick<Instance, 'address' | 'port'>): string {
  return [address, port].join(' ')
}
