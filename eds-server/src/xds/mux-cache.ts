/**
 * One cache over two, for clients whose resources of a type come from two places: of each name they get what the
 * upper one has, else what the lower one has. Nothing is copied; a revision is the sum of both, which only rises.
 */
import type { LinearCache } from './linear-cache.ts'
import type { LaggardState } from './node-status.ts'
import type { Resource } from './resource.ts'
import { everythingIn, type ResourceCache, type ResourceSet } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'
import type { Unacked } from './unacked.ts'
import type { Watcher } from './watcher.ts'

export class MuxCache implements ResourceCache {
  readonly #upper: LinearCache
  readonly #lower: ResourceCache
  readonly #watchers = new Map<Watcher, LayerWatchers>()
  #all: { readonly of: readonly [ResourceSet, ResourceSet]; readonly set: ResourceSet } | undefined

  constructor(upper: LinearCache, lower: ResourceCache) {
    this.#upper = upper
    this.#lower = lower
  }

  get type(): ResourceType {
    return this.#lower.type
  }

  get unacked(): Unacked {
    return this.#lower.unacked
  }

  get revision(): number {
    return this.#upper.revision + this.#lower.revision
  }

  get(name: string): Resource | undefined {
    return this.#upper.get(name) ?? this.#lower.get(name)
  }

  names(): Iterable<string> {
    return new Set([...this.#upper.names(), ...this.#lower.names()])
  }

  all(): ResourceSet {
    const of = [this.#upper.all(), this.#lower.all()] as const
    if (this.#all?.of[0] !== of[0] || this.#all.of[1] !== of[1]) {
      this.#all = { of, set: everythingIn(this) }
    }
    return this.#all.set
  }

  revisionOf(name: string): number {
    return this.#upper.revisionOf(name) + this.#lower.revisionOf(name)
  }

  changedAt(name: string): number | undefined {
    return this.#upper.changedAt(name) ?? this.#lower.changedAt(name)
  }

  placeholder(name: string): Resource | undefined {
    return this.#lower.placeholder(name)
  }

  isHeld(name: string, clientVersion: string): boolean {
    if (this.#upper.get(name)) return this.#upper.isHeld(name, clientVersion)
    return this.#lower.isHeld(name, clientVersion)
  }

  demand(name: string): void {
    this.#lower.demand(name)
  }

  watch(name: string, watcher: Watcher): void {
    let layers = this.#watchers.get(watcher)
    if (!layers) {
      const upper = new LayerWatcher(watcher, this.#lower, undefined)
      const lower = new LayerWatcher(watcher, this.#upper, this.#upper)
      layers = { upper, lower, names: new Set() }
      this.#watchers.set(watcher, layers)
    }
    layers.names.add(name)
    this.#upper.watch(name, layers.upper)
    this.#lower.watch(name, layers.lower)
  }

  unwatch(name: string, watcher: Watcher): void {
    const layers = this.#watchers.get(watcher)
    if (!layers?.names.delete(name)) return
    if (layers.names.size === 0) this.#watchers.delete(watcher)
    this.#upper.unwatch(name, layers.upper)
    this.#lower.unwatch(name, layers.lower)
  }

  lose(names: readonly string[], watcher: Watcher): void {
    const layers = this.#watchers.get(watcher)
    if (!layers) return
    this.#watchers.delete(watcher)
    this.#upper.lose(names, layers.upper)
    this.#lower.lose(names, layers.lower)
  }

  settled(name: string, watcher: Watcher): void {
    const layers = this.#watchers.get(watcher)
    if (!layers) return
    this.#upper.settled(name, layers.upper)
    this.#lower.settled(name, layers.lower)
  }
}

interface LayerWatchers {
  readonly upper: LayerWatcher
  readonly lower: LayerWatcher
  readonly names: Set<string>
}

/** A watcher as one of the layers sees it: with the revisions of that layer alone. */
class LayerWatcher implements Watcher {
  readonly #watcher: Watcher
  readonly #other: ResourceCache
  /** The layer that hides names of this one. */
  readonly #hiding: ResourceCache | undefined

  constructor(watcher: Watcher, other: ResourceCache, hiding: ResourceCache | undefined) {
    this.#watcher = watcher
    this.#other = other
    this.#hiding = hiding
  }

  get node(): string {
    return this.#watcher.node
  }

  get cluster(): string {
    return this.#watcher.cluster
  }

  /** Also of what is hidden: the revision of the whole has risen. */
  changed(names: readonly string[]): void {
    this.#watcher.changed(names)
  }

  released(): void {
    this.#watcher.released()
  }

  renewalDue(names: readonly string[]): void {
    this.#watcher.renewalDue(names)
  }

  /** Nobody waits for a client to have what it is never sent. */
  ackedRevision(name: string): number {
    if (this.#hiding?.get(name)) return Number.POSITIVE_INFINITY
    const acked = this.#watcher.ackedRevision(name)
    return acked < 0 ? acked : acked - this.#other.revisionOf(name)
  }

  pendingState(name: string): LaggardState {
    return this.#watcher.pendingState(name)
  }
}
