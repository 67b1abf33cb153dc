/**
 * The resources of one type, by name, and who watches them. A change costs only what its watchers cost. Each real
 * change takes the next revision, so that "has ACKed what is held now, or something newer" is one comparison.
 */
import { type Clock, systemClock } from '../clock.ts'
import { AckWaiter, AckWaiters } from './ack-waiter.ts'
import type { LinearCacheOptions } from './linear-cache-options.ts'
import { LostWatcher, LostWatchers } from './lost-watchers.ts'
import type { AckReport } from './node-status.ts'
import { type Resource, versionOf } from './resource.ts'
import type { ResourceType } from './resource-type.ts'
import { Unacked } from './unacked.ts'
import type { Watcher } from './watcher.ts'

/** The name that stands for every resource of the type. */
export const WILDCARD = '*'

/** Resources that are sent together, with the version of them all. */
export interface ResourceSet {
  readonly version: string
  readonly resources: readonly Resource[]
}

interface Entry {
  readonly resource: Resource
  readonly revision: number
}

const NOBODY: ReadonlySet<Watcher> = new Set()

export class LinearCache {
  readonly type: ResourceType
  readonly unacked: Unacked
  readonly #options: LinearCacheOptions
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  /** Revisions of deletions that somebody watched. */
  readonly #deleted = new Map<string, number>()
  readonly #watchers = new Map<string, Set<Watcher>>()
  readonly #waiters = new AckWaiters()
  readonly #lost: LostWatchers
  #revision = 0
  #all: ResourceSet | undefined

  constructor(type: ResourceType, options: LinearCacheOptions = {}) {
    this.type = type
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.unacked = new Unacked(this.#clock)
    this.#lost = new LostWatchers(this.#clock, (name, lost) => this.unwatch(name, lost))
  }

  /** The revision of the newest change of any name. */
  get revision(): number {
    return this.#revision
  }

  /** No-op, and no push, when the version is the one that is held. */
  set(resource: Resource): void {
    if (this.get(resource.name)?.version === resource.version) return
    this.#deleted.delete(resource.name)
    this.#revision += 1
    this.#entries.set(resource.name, { resource, revision: this.#revision })
    this.#changed(resource.name)
  }

  delete(name: string): void {
    if (!this.#entries.delete(name)) return
    this.#revision += 1
    if (this.isWatched(name)) this.#deleted.set(name, this.#revision)
    this.#changed(name)
  }

  get(name: string): Resource | undefined {
    return this.#entries.get(name)?.resource
  }

  names(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Every resource, sorted by name; the same object until the next change. */
  all(): ResourceSet {
    if (!this.#all) {
      const names = [...this.#entries.keys()].sort()
      const resources = names.flatMap(name => this.get(name) ?? [])
      this.#all = { version: versionOf(resources), resources }
    }
    return this.#all
  }

  /** The revision of the newest change of the name; 0 for a name that never was. */
  revisionOf(name: string): number {
    return this.#entries.get(name)?.revision ?? this.#deleted.get(name) ?? 0
  }

  placeholder(name: string): Resource | undefined {
    return this.#options.placeholder?.(name)
  }

  isHeld(name: string, clientVersion: string): boolean {
    return this.#options.hold?.(name, clientVersion) ?? false
  }

  /** Offers again what `hold` withheld. */
  release(): void {
    for (const watcher of new Set([...this.#watchers.values()].flatMap(set => [...set]))) watcher.released()
  }

  isWatched(name: string): boolean {
    return this.#watchers.has(name) || this.#watchers.has(WILDCARD)
  }

  /** Before a name, or WILDCARD, is read by somebody who does not watch it: it is then as new as it can be. */
  demand(name: string): void {
    this.#options.demand?.(name)
  }

  /** Registers interest in a name, or in all by WILDCARD. */
  watch(name: string, watcher: Watcher): void {
    this.demand(name)
    this.#join(name, watcher)
    this.#lost.returned(name, watcher)
  }

  /** The watcher's stream broke: it counts on, as disconnected, until its node watches again or is given up. */
  lose(names: readonly string[], watcher: Watcher): void {
    const lost = new LostWatcher(watcher, names)
    // Never without one of the two: who waits for ACKs would think that the client has gone.
    for (const name of names) this.#join(name, lost)
    for (const name of names) this.unwatch(name, watcher)
    this.#lost.add(lost)
  }

  unwatch(name: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(name)
    if (!watchers?.delete(watcher)) return
    if (watchers.size === 0) this.#watchers.delete(name)
    if (!this.isWatched(name)) this.#deleted.delete(name)
    if (this.#watchers.size === 0) this.#deleted.clear()
    for (const waiter of this.#waitersOf(name)) {
      if (!this.watchersOf(waiter.name).has(watcher)) waiter.left(watcher)
    }
  }

  /** Those who watch the name itself or everything. */
  watchersOf(name: string): ReadonlySet<Watcher> {
    const named = this.#watchers.get(name)
    const wild = this.#watchers.get(WILDCARD)
    return named && wild ? new Set([...named, ...wild]) : (named ?? wild ?? NOBODY)
  }

  /** A watcher tells that a client ACKed the name, or by WILDCARD everything that it watches. */
  settled(name: string, watcher: Watcher): void {
    for (const waiter of this.#waitersOf(name)) waiter.settled(watcher)
  }

  /**
   * Resolves with the report when every open subscription to the name has ACKed what the cache holds at the call,
   * or something newer; else at the deadline or when the signal aborts. Streams that their client ends stop
   * counting, those that open meanwhile count too; see `lose` for those that break.
   */
  acked(name: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<AckReport> {
    return new Promise(resolve => {
      const waiter = new AckWaiter(this, name, report => {
        this.#waiters.delete(waiter)
        resolve(report)
      })
      this.#waiters.add(waiter)
      waiter.start(this.#clock, options)
    })
  }

  #join(name: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(name)
    if (watchers) watchers.add(watcher)
    else this.#watchers.set(name, new Set([watcher]))
    for (const waiter of this.#waitersOf(name)) waiter.joined(watcher)
  }

  #changed(name: string): void {
    this.#all = undefined
    for (const watcher of this.watchersOf(name)) watcher.changed(name)
  }

  #waitersOf(name: string): Iterable<AckWaiter> {
    return name === WILDCARD ? this.#waiters.all() : this.#waiters.of(name)
  }
}
