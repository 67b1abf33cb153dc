/**
 * The break after the make: resources that left a snapshot stay until every client has accepted what no
 * longer refers to them. A client that does not answer delays that for a while; one that refuses the new goes on
 * with the old, so nothing is taken from under it.
 */
import { type Clock, pause } from '../clock.ts'
import type { LinearCache } from './linear-cache.ts'
import type { PendingNode } from './node-status.ts'
import { WILDCARD } from './resource-cache.ts'

/** Longest wait for clients that do not answer. */
const ANSWER_MS = 30_000
/**
 * Between the last ACK and the removal: Envoy ACKs a listener before it asks for the routes of that, and routes
 * before its workers have taken them over.
 */
const SETTLE_MS = 1000

type Names = Map<LinearCache, ReadonlySet<string>>

export class DeferredRemoval {
  readonly #clock: Clock
  /** Those whose clients must have accepted the rest. */
  readonly #awaited: readonly LinearCache[]
  /** What goes when the present wait is over; what left meanwhile has a wait of its own. */
  #current: Names = new Map()
  #next: Names = new Map()
  #isWaiting = false
  readonly #closed = new AbortController()

  constructor(clock: Clock, awaited: readonly LinearCache[]) {
    this.#clock = clock
    this.#awaited = awaited
  }

  /** These, and no others of the cache, are to go. */
  leaving(cache: LinearCache, names: readonly string[]): void {
    const waitedFor = this.#current.get(cache)
    const isCurrent = (name: string): boolean => waitedFor?.has(name) ?? false
    if (waitedFor) this.#current.set(cache, new Set(names.filter(isCurrent)))
    this.#next.set(cache, new Set(names.filter(name => !isCurrent(name))))
  }

  /** To be called when the watchers have been told of the rest. */
  start(): void {
    if (!this.#isWaiting) void this.#removeAll()
  }

  /** Removes nothing any more. */
  close(): void {
    this.#closed.abort()
  }

  async #removeAll(): Promise<void> {
    this.#isWaiting = true
    while (!this.#closed.signal.aborted && hasNames(this.#next)) {
      this.#current = this.#next
      this.#next = new Map()
      await this.#accepted()
      if (this.#closed.signal.aborted) break
      const told = Array.from(this.#current, ([cache, names]) => cache.update([], names))
      this.#current = new Map()
      for (const tell of told) tell()
    }
    this.#isWaiting = false
  }

  async #accepted(): Promise<void> {
    const until = this.#clock.now() + ANSWER_MS
    while (!this.#closed.signal.aborted) {
      if (!hasNames(this.#current)) return
      const pending = await this.#pendingAfter(ANSWER_MS)
      if (isRefused(pending)) continue
      if (pending.length > 0) return
      await pause(this.#clock, SETTLE_MS, this.#closed.signal)
      const since = await this.#pendingAfter(0)
      const isOver = since.length === 0 || this.#clock.now() >= until
      if (isOver && !isRefused(since)) return
    }
  }

  async #pendingAfter(timeoutMs: number): Promise<PendingNode[]> {
    const { signal } = this.#closed
    const reports = await Promise.all(
      this.#awaited.map(cache => cache.acked(WILDCARD, { timeoutMs, signal })),
    )
    return reports.flatMap(({ pending }) => pending)
  }
}

function isRefused(pending: readonly PendingNode[]): boolean {
  return pending.some(({ state }) => state === 'NACKED')
}

function hasNames(names: Names): boolean {
  return Array.from(names.values()).some(each => each.size > 0)
}
