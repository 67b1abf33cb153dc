/**
 * Clients whose stream broke. A client keeps what it has and comes back, so it still counts as one that
 * watches: with what it ACKed before, until it watches again, and no longer than its back-off can last.
 */
import type { Clock, Timer } from '../clock.ts'
import type { LaggardState } from './node-status.ts'
import { WILDCARD } from './resource-cache.ts'
import type { Watcher } from './watcher.ts'

/** The longest back-off of the bootstraps in envoy/, 5 s with its jitter, and a second to connect and ask. */
export const RETURN_MS = 6_000
/** What is kept of clients that come and break under ever new names is bounded: the oldest are given up. */
const NAMES_MAX = 100_000

export class LostWatcher implements Watcher {
  readonly node: string
  readonly cluster: string
  readonly names: Set<string>
  readonly #acked: ReadonlyMap<string, number>

  /** `names`: those that it watches, WILDCARD included. Of a wildcard's other names no ACK is remembered. */
  constructor(watcher: Watcher, names: readonly string[]) {
    this.node = watcher.node
    this.cluster = watcher.cluster
    this.names = new Set(names)
    this.#acked = new Map([...names, WILDCARD].map(name => [name, watcher.ackedRevision(name)]))
  }

  changed(): void {
    // Nobody is there to be told.
  }

  released(): void {
    // As above.
  }

  renewalDue(): void {
    // As above: what it has runs out.
  }

  ackedRevision(name: string): number {
    return this.#acked.get(name) ?? -1
  }

  pendingState(): LaggardState {
    return 'DISCONNECTED'
  }
}

export class LostWatchers {
  readonly #clock: Clock
  readonly #unwatch: (name: string, lost: LostWatcher) => void
  /** Until when each is waited for; oldest first. */
  readonly #until = new Map<LostWatcher, number>()
  readonly #byNode = new Map<string, Set<LostWatcher>>()
  #names = 0
  #timer: Timer | undefined

  /** `unwatch` is called for each name of a watcher that is back or given up. */
  constructor(clock: Clock, unwatch: (name: string, lost: LostWatcher) => void) {
    this.#clock = clock
    this.#unwatch = unwatch
  }

  add(lost: LostWatcher): void {
    const ofNode = this.#byNode.get(lost.node)
    if (ofNode) ofNode.add(lost)
    else this.#byNode.set(lost.node, new Set([lost]))
    this.#until.set(lost, this.#clock.now() + RETURN_MS)
    this.#names += lost.names.size
    for (const oldest of this.#until.keys()) {
      if (this.#names <= NAMES_MAX) break
      this.#giveUp(oldest)
    }
    this.#arm()
  }

  /** A client watches the name: if one of its node was lost, this is it. */
  returned(name: string, { node, cluster }: Watcher): void {
    for (const lost of this.#byNode.get(node) ?? []) {
      if (lost.cluster !== cluster || !lost.names.delete(name)) continue
      this.#names -= 1
      this.#unwatch(name, lost)
      if (lost.names.size === 0) this.#giveUp(lost)
      return
    }
  }

  #giveUp(lost: LostWatcher): void {
    this.#until.delete(lost)
    const ofNode = this.#byNode.get(lost.node)
    if (ofNode?.delete(lost) && ofNode.size === 0) this.#byNode.delete(lost.node)
    this.#names -= lost.names.size
    for (const name of lost.names) this.#unwatch(name, lost)
    lost.names.clear()
    if (this.#until.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** One timer for all, set for the oldest. */
  #arm(): void {
    const [oldest] = this.#until.values()
    if (this.#timer || oldest === undefined) return
    this.#timer = this.#clock.setTimer(Math.max(0, oldest - this.#clock.now()), () => {
      this.#timer = undefined
      for (const [lost, until] of this.#until) {
        if (until > this.#clock.now()) break
        this.#giveUp(lost)
      }
      this.#arm()
    })
  }
}
