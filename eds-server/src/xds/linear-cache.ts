/**
 * The resources of one type, by name, and who watches them. A change costs only what its watchers cost. Each real
 * change takes the next revision, so that "has ACKed what is held now, or something newer" is one comparison.
 */
import { type Clock, systemClock } from '../clock.ts'
import type { LinearCacheOptions } from './linear-cache-options.ts'
import { LostWatcher, LostWatchers } from './lost-watchers.ts'
import type { AckReport } from './node-status.ts'
import { Renewals } from './renewals.ts'
import type { Resource } from './resource.ts'
import { everythingIn, type ResourceCache, type ResourceSet, WILDCARD } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'
import { Unacked } from './unacked.ts'
import { WatchTable } from './watch-table.ts'
import type { Watcher } from './watcher.ts'

interface Entry {
  readonly resource: Resource
  readonly revision: number
  /** Wall time, milliseconds. */
  readonly changedAt: number
}

export class LinearCache implements ResourceCache {
  readonly type: ResourceType
  readonly unacked: Unacked
  readonly #options: LinearCacheOptions
  readonly #clock: Clock
  readonly #entries: Map<string, Entry>
  /** Revisions of deletions that somebody watched. */
  readonly #deleted: Map<string, number>
  readonly #watches = new WatchTable()
  readonly #lost: LostWatchers
  readonly #renewals: Renewals
  #revision: number
  #all: ResourceSet | undefined

  /** `origin`: begins as a copy of that cache, with its revisions: whoever watched it can watch this one instead. */
  constructor(type: ResourceType, options: LinearCacheOptions = {}, origin?: LinearCache) {
    this.type = type
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.unacked = new Unacked(this.#clock)
    this.#lost = new LostWatchers(this.#clock, (name, lost) => this.unwatch(name, lost))
    this.#entries = new Map(origin ? origin.#entries : [])
    this.#deleted = new Map(origin ? origin.#deleted : [])
    this.#revision = origin?.revision ?? 0
    this.#renewals = new Renewals(
      this.#clock,
      names => this.#renew(names),
      origin ? origin.#renewals : undefined,
    )
  }

  get revision(): number {
    return this.#revision
  }

  /** No-op, and no push, when the version is the one that is held. */
  set(resource: Resource): void {
    this.update([resource], [])()
  }

  delete(name: string): void {
    this.update([], [name])()
  }

  /**
   * Sets and deletes together, at once; the watchers are told when the returned function is called. So several
   * caches change before anybody is told of one.
   */
  update(resources: Iterable<Resource>, deleted: Iterable<string>): () => void {
    const changed: string[] = []
    for (const resource of resources) if (this.#set(resource)) changed.push(resource.name)
    for (const name of deleted) if (this.#delete(name)) changed.push(name)
    if (changed.length > 0) this.#all = undefined
    return () => this.#watches.tell(changed)
  }

  get(name: string): Resource | undefined {
    return this.#entries.get(name)?.resource
  }

  names(): Iterable<string> {
    return this.#entries.keys()
  }

  all(): ResourceSet {
    this.#all ??= everythingIn(this)
    return this.#all
  }

  revisionOf(name: string): number {
    return this.#entries.get(name)?.revision ?? this.#deleted.get(name) ?? 0
  }

  changedAt(name: string): number | undefined {
    return this.#entries.get(name)?.changedAt
  }

  placeholder(name: string): Resource | undefined {
    return this.#options.placeholder?.(name)
  }

  isHeld(name: string, clientVersion: string): boolean {
    return this.#options.hold?.(name, clientVersion) ?? false
  }

  /** Offers again what `hold` withheld. */
  release(): void {
    for (const watcher of this.#watches.all()) watcher.released()
  }

  isWatched(name: string): boolean {
    return this.#watches.isWatched(name)
  }

  demand(name: string): void {
    this.#options.demand?.(name)
  }

  watch(name: string, watcher: Watcher): void {
    this.demand(name)
    this.#watches.add(name, watcher)
    this.#lost.returned(name, watcher)
    this.#renewals.start()
  }

  lose(names: readonly string[], watcher: Watcher): void {
    const lost = new LostWatcher(watcher, names)
    // Never without one of the two: who waits for ACKs would think that the client has gone.
    for (const name of names) this.#watches.add(name, lost)
    for (const name of names) this.unwatch(name, watcher)
    this.#lost.add(lost)
  }

  unwatch(name: string, watcher: Watcher): void {
    if (!this.#watches.remove(name, watcher)) return
    if (!this.isWatched(name)) this.#deleted.delete(name)
    if (this.#watches.isEmpty) this.#deleted.clear()
  }

  settled(name: string, watcher: Watcher): void {
    this.#watches.settled(name, watcher)
  }

  /**
   * Resolves with the report when every open subscription to the name has ACKed what the cache holds at the call,
   * or something newer; else at the deadline or when the signal aborts. Streams that their client ends stop
   * counting, those that open meanwhile count too; see `lose` for those that break. WILDCARD: when every
   * subscription has ACKed all that it covers.
   */
  acked(name: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<AckReport> {
    const revision = name === WILDCARD ? 0 : this.revisionOf(name)
    return this.#watches.acked(name, revision, { ...options, clock: this.#clock })
  }

  #renew(names: readonly string[]): boolean {
    this.#watches.renew(names)
    return !this.#watches.isEmpty
  }

  #set(resource: Resource): boolean {
    if (this.get(resource.name)?.version === resource.version) return false
    this.#deleted.delete(resource.name)
    this.#revision += 1
    const changedAt = this.#clock.wallTime().getTime()
    this.#entries.set(resource.name, { resource, revision: this.#revision, changedAt })
    this.#renewals.set(resource)
    return true
  }

  #delete(name: string): boolean {
    if (!this.#entries.delete(name)) return false
    this.#renewals.delete(name)
    this.#revision += 1
    if (this.isWatched(name)) this.#deleted.set(name, this.#revision)
    return true
  }
}
