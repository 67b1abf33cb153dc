/**
 * How a life begins, changes and ends: each step is taken in the table, the wheel, the store and the tombstones, and
 * then told to everyone who listens. Whether a step may be taken is decided elsewhere: for callers in registry.ts,
 * for expiry in overdue.ts.
 */
import type { Clock } from '../clock.ts'
import type { LeaseTerms, RegistryEvent, RegistryEventType } from './changes.ts'
import { ExpiryWheel } from './expiry.ts'
import { copyOf, type Instance, type InstanceRecord, instanceOf, isSameInstance } from './instance.ts'
import { DEFAULT_TTL_MS, Holding, hashSecret, heartbeatIntervalMs, newSecret } from './lease.ts'
import { Overdue } from './overdue.ts'
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

/** What the next heartbeats tell anew. */
const NOT_STORED: ReadonlySet<RegistryEventType> = new Set(['lapsed', 'renewed', 'stalled', 'resumed'])

export type Listener = (event: RegistryEvent) => void

export class Lifecycle {
  readonly ttlMs: number
  readonly table: ServiceTable
  readonly tombstones: Tombstones
  readonly overdue: Overdue
  readonly preservation: SelfPreservation
  readonly warmUp: WarmUp
  readonly hasPast: boolean
  readonly #clock: Clock
  readonly #store: Store
  readonly #wheel: ExpiryWheel<Holding>
  readonly #listeners = new Set<Listener>()

  constructor(options: RegistryOptions) {
    this.#clock = options.clock
    this.#store = options.store
    this.ttlMs = options.ttlMs ?? DEFAULT_TTL_MS
    this.table = new ServiceTable(options.limits ?? DEFAULT_LIMITS)
    this.#wheel = new ExpiryWheel(options.clock, held => this.overdue.decide(held, this.#wheel))
    this.preservation = new SelfPreservation({
      clock: options.clock,
      now: () => this.#wheel.now(),
      windowMs: 2 * heartbeatIntervalMs(this.ttlMs),
      holdings: () => this.table.all(),
      changed: state => options.preservationChanged?.(state),
    })
    this.overdue = new Overdue({
      table: this.table,
      preservation: this.preservation,
      lapse: held => this.replace(held, { ...held.instance, lapsed: true }, 'lapsed'),
      expire: held => this.remove(held, 'expired'),
    })
    const { lastIncarnation, instances, services, tombstones, isComplete } = options.store.load()
    // Without a store the wall clock keeps the numbers rising over restarts. Only 410 against 404 hangs on it.
    const after = Math.max(lastIncarnation, this.#clock.wallTime().getTime() * 1000)
    this.tombstones = new Tombstones(after, tombstones)
    for (const service of services) this.table.know(service)
    for (const stored of instances) this.#restore(stored)
    this.hasPast = services.length + instances.length > 0
    const stored = instances.filter(({ instance }) => instance.ttlMs !== undefined).length
    this.warmUp = new WarmUp({ clock: options.clock, ttlMs: this.ttlMs, stored, isComplete })
  }

  /** Begins a life at an address that is its own from now on. Returns it with the secret of its lease, if it has one. */
  begin(
    record: InstanceRecord,
    lease: LeaseTerms | undefined,
  ): { instance: Instance; leaseSecret: string | undefined } {
    this.#freeAddress(record)
    const leaseSecret = lease ? (lease.secret ?? newSecret()) : undefined
    const instance = instanceOf(record, {
      service: this.table.nameOf(record.service),
      incarnation: this.tombstones.nextIncarnation(),
      lapsed: false,
      stalled: false,
      ttlMs: lease ? (lease.ttlMs ?? this.ttlMs) : undefined,
      registeredAtMs: this.#clock.wallTime().getTime(),
    })
    const secretHash = leaseSecret === undefined ? undefined : hashSecret(leaseSecret)
    const holding = new Holding(instance, secretHash, this.#wheel.now(), true)
    this.table.put(holding)
    this.#store.put(holding)
    this.#wheel.schedule(holding)
    if (instance.ttlMs !== undefined) this.warmUp.arrived()
    this.#emit({ type: 'registered', instance, previous: undefined })
    return { instance, leaseSecret }
  }

  renew(held: Holding): void {
    held.renewedAt = this.#wheel.now()
    held.notBefore = 0
    this.#confirm(held)
    if (held.instance.lapsed) this.replace(held, { ...held.instance, lapsed: false }, 'renewed')
  }

  /** Changes nothing and tells nobody where the two are the same. */
  replace(held: Holding, changed: Instance, type: RegistryEventType): void {
    const previous = held.instance
    if (isSameInstance(previous, changed)) return
    const instance = copyOf(changed)
    this.#freeAddress(instance)
    held.instance = instance
    this.table.put(held, previous)
    this.#wheel.schedule(held)
    if (!NOT_STORED.has(type)) this.#store.put(held)
    this.#emit({ type, instance, previous })
  }

  remove(held: Holding, endedBy: EndedBy): Instance {
    const { instance } = held
    if (endedBy !== 'expired') this.#confirm(held)
    this.#wheel.cancel(held)
    this.table.remove(instance)
    const { stone, dropped } = this.tombstones.bury(instance, endedBy)
    this.#store.bury(instance, stone)
    if (dropped) this.#store.dropStone(dropped)
    this.#emit({ type: endedBy, instance, previous: instance })
    return instance
  }

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

  #freeAddress(record: InstanceRecord): void {
    const other = this.table.at(record.service, record.address, record.port)
    if (other && other.instance.instanceId !== record.instanceId) this.remove(other, 'superseded')
  }

  /** Every stored lease starts anew, with two intervals on top for its holder to find us (rule 5). */
  #restore({ instance, secretHash }: StoredInstance): void {
    const graceMs = 2 * heartbeatIntervalMs(instance.ttlMs ?? 0)
    const holding = new Holding(copyOf(instance), secretHash, this.#wheel.now() + graceMs, false)
    this.table.put(holding)
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
