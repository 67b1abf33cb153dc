/** Callers that wait for the ACKs of one name: told of each ACK, they never ask again and again. */
import type { Clock, Timer } from '../clock.ts'
import type { AckReport, PendingNode } from './node-status.ts'
import type { Watcher } from './watcher.ts'

/** What is waited for: that these watchers have ACKed the name, or by WILDCARD everything, at this revision. */
export interface Awaited {
  readonly name: string
  readonly revision: number
  readonly watchers: () => ReadonlySet<Watcher>
}

export class AckWaiter {
  readonly name: string
  readonly #awaited: Awaited
  readonly #pending = new Set<Watcher>()
  readonly #done: (report: AckReport) => void
  #isDone = false
  #timer: Timer | undefined
  #signal: AbortSignal | undefined

  /** Calls `done` once. */
  constructor(awaited: Awaited, done: (report: AckReport) => void) {
    this.name = awaited.name
    this.#awaited = awaited
    this.#done = done
  }

  start(clock: Clock, { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal }): void {
    for (const watcher of this.#awaited.watchers()) this.joined(watcher)
    if (this.#pending.size === 0 || signal?.aborted) {
      this.#finish()
      return
    }
    this.#timer = clock.setTimer(timeoutMs, this.#finish)
    this.#signal = signal
    signal?.addEventListener('abort', this.#finish)
  }

  joined(watcher: Watcher): void {
    if (!this.#hasAcked(watcher)) this.#pending.add(watcher)
  }

  left(watcher: Watcher): void {
    this.#noLongerPending(watcher)
  }

  settled(watcher: Watcher): void {
    if (this.#hasAcked(watcher)) this.#noLongerPending(watcher)
  }

  #noLongerPending(watcher: Watcher): void {
    if (this.#pending.delete(watcher) && this.#pending.size === 0) this.#finish()
  }

  #hasAcked(watcher: Watcher): boolean {
    return watcher.ackedRevision(this.name) >= this.#awaited.revision
  }

  readonly #finish = (): void => {
    if (this.#isDone) return
    this.#isDone = true
    this.#timer?.cancel()
    this.#signal?.removeEventListener('abort', this.#finish)
    this.#done(this.#report())
  }

  #report(): AckReport {
    const watchers = this.#awaited.watchers()
    const pending: PendingNode[] = []
    for (const watcher of watchers) {
      if (this.#hasAcked(watcher)) continue
      const { node, cluster } = watcher
      pending.push({ node, cluster, state: watcher.pendingState(this.name) })
    }
    return { subscribers: watchers.size, acked: watchers.size - pending.length, pending }
  }
}

/** All that wait, by name. */
export class AckWaiters {
  readonly #byName = new Map<string, Set<AckWaiter>>()

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  add(waiter: AckWaiter): void {
    this.#byName.set(waiter.name, (this.#byName.get(waiter.name) ?? new Set()).add(waiter))
  }

  delete(waiter: AckWaiter): void {
    const waiters = this.#byName.get(waiter.name)
    if (waiters?.delete(waiter) && waiters.size === 0) this.#byName.delete(waiter.name)
  }

  /** Those that wait for the name. Any may be done and deleted meanwhile. */
  of(name: string): Iterable<AckWaiter> {
    return [...(this.#byName.get(name) ?? [])]
  }

  all(): Iterable<AckWaiter> {
    return [...this.#byName.values()].flatMap(waiters => [...waiters])
  }
}
