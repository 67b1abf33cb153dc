/**
 * What is true of all instances, and who may change it. Synchronous and in memory; everyone who wants to know
 * of changes subscribes. A heartbeat that changes nothing that clients can see emits nothing.
 */
import type { Clock } from '../clock.ts'
import type {
  Beat,
  InstanceChange,
  LeaseKey,
  LeaseTerms,
  Registered,
  RegistryEvent,
  RegistryEventType,
} from './changes.ts'
import { ExpiryWheel } from './expiry.ts'
import { copyOf, hostPort, type Instance, type InstanceRecord, isSameInstance } from './instance.ts'
import { DEFAULT_TTL_MS, Holding, hashSecret, heartbeatIntervalMs, newSecret } from './lease.ts'
import { Overdue } from './overdue.ts'
import { conflict, superseded, unknownAddress, wrongSecret } from './refusals.ts'
import { type PreservationState, SelfPreservation } from './self-preservation.ts'
import { DEFAULT_LIMITS, type Limits, ServiceTable } from './service-table.ts'
import type { Store, StoredInstance } from './store.ts'
import { type EndedBy, Tombstones } from './tombstones.ts'
import { WarmUp } from './warm-up.ts'

export interface RegistryOptions {
  readonly clock: Clock
  readonly store: Store
  /** Time to live of a lease that asks for none, milliseconds. Default 15,000. */
  readonly ttlMs?: number
  readonly limits?: Limits
  /** Told when expiry is frozen and when it goes on. */
  readonly preservationChanged?: (state: PreservationState) => void
}

type Listener = (event: RegistryEvent) => void

/** What the next heartbeats tell anew. */
const NOT_STORED: ReadonlySet<RegistryEventType> = new Set(['lapsed', 'renewed', 'stalled', 'resumed'])

export class Registry {
  readonly #clock: Clock
  readonly #store: Store
  readonly #ttlMs: number
  readonly #table: ServiceTable
  readonly #tombstones: Tombstones
  readonly #wheel: ExpiryWheel<Holding>
  readonly #listeners = new Set<Listener>()
  readonly #overdue: Overdue
  readonly preservation: SelfPreservation
  readonly warmUp: WarmUp

  constructor(options: RegistryOptions) {
    this.#clock = options.clock
    this.#store = options.store
    this.#ttlMs = options.ttlMs ?? DEFAULT_TTL_MS
    this.#table = new ServiceTable(options.limits ?? DEFAULT_LIMITS)
    this.#wheel = new ExpiryWheel(options.clock, held => this.#overdue.decide(held, this.#wheel))
    this.preservation = new SelfPreservation({
      clock: options.clock,
      now: () => this.#wheel.now(),
      windowMs: 2 * heartbeatIntervalMs(this.#ttlMs),
      holdings: () => this.#table.all(),
      changed: state => options.preservationChanged?.(state),
    })
    this.#overdue = new Overdue({
      table: this.#table,
      preservation: this.preservation,
      lapse: held => this.#replace(held, { ...held.instance, lapsed: true }, 'lapsed'),
      expire: held => this.#remove(held, 'expired'),
    })
    const { lastIncarnation, instances, services, isComplete } = options.store.load()
    // Without a store the wall clock keeps the numbers rising over restarts. Only 410 against 404 hangs on it.
    this.#tombstones = new Tombstones(Math.max(lastIncarnation, this.#clock.wallTime().getTime() * 1000))
    for (const service of services) this.#table.know(service)
    for (const stored of instances) this.#restore(stored)
    const stored = instances.filter(({ instance }) => instance.ttlMs !== undefined).length
    this.warmUp = new WarmUp({ clock: options.clock, ttlMs: this.#ttlMs, stored, isComplete })
  }

  /**
   * Adds an instance or updates the one of that id. `lease` undefined: no lease, the instance stays until it is
   * removed. A live lease is updated only with its own secret (ROLLCALL_INSTANCE_CONFLICT otherwise), keeps its
   * incarnation, and an identical record changes and emits nothing (F36, F37). An instance of another id at the
   * same address is superseded: the newest life wins (F38).
   */
  register(record: InstanceRecord, lease: LeaseTerms | undefined): Registered {
    const ttlMs = lease ? (lease.ttlMs ?? this.#ttlMs) : undefined
    const held = this.#table.get(record.service, record.instanceId)
    if (held && this.#isSameLife(held, lease)) {
      this.#replace(held, { ...held.instance, ...record, ttlMs, lapsed: false, stalled: false }, 'updated')
      this.#renewLease(held)
      return { instance: held.instance, leaseSecret: lease?.secret, created: false }
    }
    if (!held) this.#table.assertRoomFor(record.service)
    if (held) this.#remove(held, 'superseded')
    this.#freeAddress(record)
    const secret = lease ? (lease.secret ?? newSecret()) : undefined
    const instance = copyOf({
      ...record,
      incarnation: this.#tombstones.nextIncarnation(),
      lapsed: false,
      stalled: false,
      ttlMs,
      registeredAtMs: this.#clock.wallTime().getTime(),
    })
    const holding = new Holding(
      instance,
      secret === undefined ? undefined : hashSecret(secret),
      this.#wheel.now(),
      true,
    )
    this.#table.put(holding)
    this.#store.put(holding)
    this.#wheel.schedule(holding)
    this.#emit({ type: 'registered', instance, previous: undefined })
    return { instance, leaseSecret: secret, created: true }
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
    this.#renewLease(held)
    if (stalled !== held.instance.stalled) {
      this.#replace(held, { ...held.instance, stalled }, stalled ? 'stalled' : 'resumed')
    }
    if (status !== undefined && status !== held.instance.status && held.instance.status !== 'draining') {
      this.#replace(held, { ...held.instance, status }, 'updated')
    }
    return held.instance
  }

  /** Changes what is given and leaves the rest. `key` may be missing only for an instance without a lease. */
  patch(service: string, instanceId: string, key: LeaseKey | undefined, change: InstanceChange): Instance {
    const held = this.#holdingOf(service, instanceId, key)
    const type = change.status === 'draining' ? 'draining' : 'updated'
    this.#replace(held, { ...held.instance, ...change }, type)
    return held.instance
  }

  /** The instance takes no new requests from now on; it stays registered and its lease goes on. */
  drain(service: string, instanceId: string, key: LeaseKey | undefined): Instance {
    return this.patch(service, instanceId, key, { status: 'draining' })
  }

  deregister(service: string, instanceId: string, key: LeaseKey | undefined): Instance {
    return this.#remove(this.#holdingOf(service, instanceId, key), 'deregistered')
  }

  /** An operator's removal by address, without a key. The holder of a lease learns of it at its next heartbeat. */
  removeAt(service: string, address: string, port: number): Instance {
    const held = this.#table.at(service, address, port)
    if (held) return this.#remove(held, 'deregistered')
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
    if (held) this.#replace(held, { ...held.instance, ...change }, 'updated')
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
    for (const held of [...holdings.values()]) this.#remove(held, 'deregistered')
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
    return this.#overdue.postponed
  }

  /** Calls `listener` for every change, in order, before the change's caller gets its answer. Returns the way out. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#wheel.close()
    this.preservation.close()
    this.warmUp.close()
    this.#listeners.clear()
    this.#store.close()
  }

  #isSameLife(held: Holding, lease: LeaseTerms | undefined): boolean {
    if (held.instance.ttlMs === undefined) return lease === undefined
    if (lease?.secret !== undefined && held.isHeldWith(lease.secret)) return true
    // A lapsed lease protects its id no longer; a live one does.
    if (held.instance.lapsed) return false
    throw conflict(held.instance.service, held.instance.instanceId)
  }

  #holdingOf(service: string, instanceId: string, key: LeaseKey | undefined): Holding {
    const held = this.#table.get(service, instanceId)
    if (!held) throw this.#tombstones.absent(service, instanceId, key?.incarnation)
    if (held.instance.ttlMs === undefined && key === undefined) return held
    if (key && key.incarnation !== held.instance.incarnation) {
      throw superseded(service, instanceId, key.incarnation)
    }
    if (key && held.isHeldWith(key.secret)) return held
    throw wrongSecret(service, instanceId)
  }

  #freeAddress(record: InstanceRecord): void {
    const other = this.#table.at(record.service, record.address, record.port)
    if (other && other.instance.instanceId !== record.instanceId) this.#remove(other, 'superseded')
  }

  #renewLease(held: Holding): void {
    held.renewedAt = this.#wheel.now()
    held.notBefore = 0
    this.#confirm(held)
    if (held.instance.lapsed) this.#replace(held, { ...held.instance, lapsed: false }, 'renewed')
  }

  #replace(held: Holding, changed: Instance, type: RegistryEventType): void {
    const previous = held.instance
    if (isSameInstance(previous, changed)) return
    const instance = copyOf(changed)
    this.#freeAddress(instance)
    held.instance = instance
    this.#table.put(held, previous)
    this.#wheel.schedule(held)
    if (!NOT_STORED.has(type)) this.#store.put(held)
    this.#emit({ type, instance, previous })
  }

  #remove(held: Holding, endedBy: EndedBy): Instance {
    const { instance } = held
    if (endedBy !== 'expired') this.#confirm(held)
    this.#wheel.cancel(held)
    this.#table.remove(instance)
    this.#store.remove(instance)
    this.#tombstones.bury(instance, endedBy)
    this.#emit({ type: endedBy, instance, previous: instance })
    return instance
  }

  /** Every stored lease starts anew, with two intervals on top for its holder to find us (rule 5). */
  #restore({ instance, secretHash }: StoredInstance): void {
    const graceMs = 2 * heartbeatIntervalMs(instance.ttlMs ?? 0)
    const holding = new Holding(copyOf(instance), secretHash, this.#wheel.now() + graceMs, false)
    this.#table.put(holding)
    this.#wheel.schedule(holding)
  }

  #confirm(held: Holding): void {
    if (held.isConfirmed) return
    held.isConfirmed = true
    if (held.instance.ttlMs !== undefined) this.warmUp.confirmed()
  }

  #emit(event: RegistryEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
