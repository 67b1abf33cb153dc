/**
 * What is true of all instances, and who may change it. Synchronous and in memory; everyone who wants to know
 * of changes subscribes. A heartbeat that changes nothing that clients can see emits nothing.
 */
import type { Beat, InstanceChange, LeaseKey, LeaseTerms, Registered } from './changes.ts'
import { hostPort, type Instance, type InstanceRecord, instanceOf } from './instance.ts'
import type { Holding } from './lease.ts'
import { Lifecycle, type Listener, type RegistryOptions } from './lifecycle.ts'
import { assertHolder, isSameLife } from './ownership.ts'
import { unknownAddress } from './refusals.ts'
import type { SelfPreservation } from './self-preservation.ts'
import type { ServiceTable } from './service-table.ts'
import type { Store } from './store.ts'
import type { WarmUp } from './warm-up.ts'

export class Registry {
  readonly preservation: SelfPreservation
  readonly warmUp: WarmUp
  /** Something was stored: an earlier life of the registry has told clients of it. */
  readonly hasPast: boolean
  readonly #lives: Lifecycle
  readonly #table: ServiceTable
  readonly #store: Store

  constructor(options: RegistryOptions) {
    this.#store = options.store
    this.#lives = new Lifecycle(options)
    this.#table = this.#lives.table
    this.preservation = this.#lives.preservation
    this.warmUp = this.#lives.warmUp
    this.hasPast = this.#lives.hasPast
  }

  /**
   * Adds an instance or updates the one of that id. `lease` undefined: no lease, the instance stays until it is
   * removed. A live lease is updated only with its own secret (ROLLCALL_INSTANCE_CONFLICT otherwise), keeps its
   * incarnation, and an identical record changes and emits nothing (F36, F37). An instance of another id at the
   * same address is superseded: the newest life wins (F38).
   */
  register(record: InstanceRecord, lease: LeaseTerms | undefined): Registered {
    const held = this.#table.get(record.service, record.instanceId)
    if (held && isSameLife(held, lease)) {
      const ttlMs = lease ? (lease.ttlMs ?? this.#lives.ttlMs) : undefined
      const { service, incarnation, registeredAtMs } = held.instance
      const standing = { service, incarnation, lapsed: false, stalled: false, ttlMs, registeredAtMs }
      this.#lives.replace(held, instanceOf(record, standing), 'updated')
      this.#lives.renew(held)
      return { instance: held.instance, leaseSecret: lease?.secret, created: false }
    }
    if (!held) this.#table.assertRoomFor(record.service)
    if (held) this.#lives.remove(held, 'superseded')
    return { ...this.#lives.begin(record, lease), created: true }
  }

  /**
   * Renews the lease. A status other than the present one is taken over, but draining is not undone by it. Only the
   * first heartbeat that says "stalled", and the first that no longer does, change anything (F46).
   */
  heartbeat(
    service: string,
    instanceId: string,
    key: LeaseKey,
    { status, stalled = false }: Beat = {},
  ): Instance {
    const held = this.#holdingOf(service, instanceId, key)
    this.#lives.renew(held)
    if (stalled !== held.instance.stalled) {
      this.#lives.replace(held, { ...held.instance, stalled }, stalled ? 'stalled' : 'resumed')
    }
    if (status !== undefined && status !== held.instance.status && held.instance.status !== 'draining') {
      this.#lives.replace(held, { ...held.instance, status }, 'updated')
    }
    return held.instance
  }

  /** Changes what is given and leaves the rest. `key` may be missing only for an instance without a lease. */
  patch(service: string, instanceId: string, key: LeaseKey | undefined, change: InstanceChange): Instance {
    const held = this.#holdingOf(service, instanceId, key)
    const type = change.status === 'draining' ? 'draining' : 'updated'
    this.#lives.replace(held, { ...held.instance, ...change }, type)
    return held.instance
  }

  /** The instance takes no new requests from now on; it stays registered and its lease goes on. */
  drain(service: string, instanceId: string, key: LeaseKey | undefined): Instance {
    return this.patch(service, instanceId, key, { status: 'draining' })
  }

  deregister(service: string, instanceId: string, key: LeaseKey | undefined): Instance {
    return this.#lives.remove(this.#holdingOf(service, instanceId, key), 'deregistered')
  }

  /** An operator's removal by address, without a key. The holder of a lease learns of it at its next heartbeat. */
  removeAt(service: string, address: string, port: number): Instance {
    const held = this.#table.at(service, address, port)
    if (held) return this.#lives.remove(held, 'deregistered')
    throw unknownAddress(service, hostPort({ address, port }))
  }

  /**
   * An operator's change by address, without a key: the holder of a lease keeps it. The instance there, or undefined
   * where none is.
   */
  amendAt(
    service: string,
    address: string,
    port: number,
    change: Partial<InstanceRecord>,
  ): Instance | undefined {
    const held = this.#table.at(service, address, port)
    if (held) this.#lives.replace(held, { ...held.instance, ...change }, 'updated')
    return held?.instance
  }

  /** Refuses `count` more instances of the service where a limit would be reached. */
  assertRoomFor(service: string, count: number): void {
    this.#table.assertRoomFor(service, count)
  }

  /** Makes a service known that has no instance yet. */
  declare(service: string): void {
    if (this.#table.holdings(service) !== undefined) return
    this.#table.assertRoomFor(service, 0)
    this.#table.know(service)
    this.#store.know(service)
  }

  /** Removes a service with all its instances: it is then as if never heard of. False where there was none. */
  forget(service: string): boolean {
    const holdings = this.#table.holdings(service)
    if (!holdings) return false
    for (const held of [...holdings.values()]) this.#lives.remove(held, 'deregistered')
    this.#table.drop(service)
    this.#store.forget(service)
    return true
  }

  /** The instances of a service; undefined for one never heard of, empty for one that lost its last. */
  instances(service: string): readonly Instance[] | undefined {
    const holdings = this.#table.holdings(service)
    return holdings && Array.from(holdings.values(), held => held.instance)
  }

  services(): Iterable<string> {
    return this.#table.names()
  }

  get(service: string, instanceId: string): Instance | undefined {
    return this.#table.get(service, instanceId)?.instance
  }

  at(service: string, address: string, port: number): Instance | undefined {
    return this.#table.at(service, address, port)?.instance
  }

  get instanceCount(): number {
    return this.#table.instanceCount
  }

  /** Undefined when every change is on disk or never will be; see {@link Store.flushed}. */
  persisted(): Promise<void> | undefined {
    return this.#store.flushed()
  }

  /** Why changes cannot be written to disk at present; undefined when all is well. */
  storeTrouble(): string | undefined {
    return this.#store.trouble()
  }

  /** Removals by expiry put off so far. */
  get postponedRemovals(): number {
    return this.#lives.overdue.postponed
  }

  /** Calls `listener` for every change, in order, before the change's caller gets its answer. Returns the way out. */
  on(listener: Listener): () => void {
    return this.#lives.on(listener)
  }

  close(): void {
    this.#lives.close()
  }

  #holdingOf(service: string, instanceId: string, key: LeaseKey | undefined): Holding {
    const held = this.#table.get(service, instanceId)
    if (!held) throw this.#lives.tombstones.absent(service, instanceId, key?.incarnation)
    assertHolder(held, key)
    return held
  }
}
