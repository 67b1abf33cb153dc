/** Who watches which names of one cache, and who waits for their ACKs. */
import type { Clock } from '../clock.ts'
import { AckWaiter, AckWaiters } from './ack-waiter.ts'
import type { AckReport } from './node-status.ts'
import { collectionOf, WILDCARD } from './resource-cache.ts'
import type { Watcher } from './watcher.ts'

const NOBODY: ReadonlySet<Watcher> = new Set()
const NO_WAITERS: readonly AckWaiter[] = []

export class WatchTable {
  readonly #watchers = new Map<string, Set<Watcher>>()
  readonly #waiters = new AckWaiters()

  get isEmpty(): boolean {
    return this.#watchers.size === 0
  }

  isWatched(name: string): boolean {
    return this.#watchers.has(WILDCARD) || this.#namedBy(name).size > 0
  }

  add(name: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(name)
    if (watchers) watchers.add(watcher)
    else this.#watchers.set(name, new Set([watcher]))
    for (const waiter of this.#waitersOf(name)) waiter.joined(watcher)
  }

  /** False if it did not watch the name. */
  remove(name: string, watcher: Watcher): boolean {
    const watchers = this.#watchers.get(name)
    if (!watchers?.delete(watcher)) return false
    if (watchers.size === 0) this.#watchers.delete(name)
    for (const waiter of this.#waitersOf(name)) {
      if (this.of(waiter.name).has(watcher)) waiter.settled(watcher)
      else waiter.left(watcher)
    }
    return true
  }

  /** Those who watch the name itself or everything. WILDCARD: whoever watches anything. */
  of(name: string): ReadonlySet<Watcher> {
    if (name === WILDCARD) return this.all()
    const named = this.#namedBy(name)
    const wild = this.#watchers.get(WILDCARD)
    return wild && named.size > 0 ? new Set([...named, ...wild]) : (wild ?? named)
  }

  all(): ReadonlySet<Watcher> {
    return new Set([...this.#watchers.values()].flatMap(watchers => [...watchers]))
  }

  /** Tells each watcher once which of these names it watches. */
  tell(names: readonly string[]): void {
    const [only] = names
    if (only !== undefined && names.length === 1) {
      for (const watcher of this.of(only)) watcher.changed(names)
      return
    }
    const told = new Map<Watcher, string[]>()
    for (const name of names) {
      for (const watcher of this.#namedBy(name)) {
        const known = told.get(watcher)
        if (known) known.push(name)
        else told.set(watcher, [name])
      }
    }
    const wild = this.#watchers.get(WILDCARD) ?? NOBODY
    for (const [watcher, watched] of told) if (!wild.has(watcher)) watcher.changed(watched)
    if (names.length > 0) for (const watcher of wild) watcher.changed(names)
  }

  /** Tells whoever watches one of these that it is to be renewed. */
  renew(names: readonly string[]): void {
    for (const watcher of new Set(names.flatMap(name => [...this.of(name)]))) watcher.renewalDue(names)
  }

  settled(name: string, watcher: Watcher): void {
    for (const waiter of this.#waitersOf(name)) waiter.settled(watcher)
  }

  /** See LinearCache.acked. */
  acked(
    name: string,
    revision: number,
    options: { timeoutMs: number; signal?: AbortSignal; clock: Clock },
  ): Promise<AckReport> {
    return new Promise(resolve => {
      const waiter = new AckWaiter({ name, revision, watchers: () => this.of(name) }, report => {
        this.#waiters.delete(waiter)
        resolve(report)
      })
      this.#waiters.add(waiter)
      waiter.start(options.clock, options)
    })
  }

  /** Those who watch the name itself or its collection. */
  #namedBy(name: string): ReadonlySet<Watcher> {
    const named = this.#watchers.get(name) ?? NOBODY
    const collection = collectionOf(name)
    const members = collection === undefined ? undefined : this.#watchers.get(collection)
    return members ? new Set([...named, ...members]) : named
  }

  /** Those of the name, and those who wait for everything. */
  #waitersOf(name: string): Iterable<AckWaiter> {
    // Most often nobody waits, and every ACK asks.
    if (this.#waiters.isEmpty) return NO_WAITERS
    if (name === WILDCARD) return this.#waiters.all()
    return [...this.#waiters.of(name), ...this.#waiters.of(WILDCARD)]
  }
}
