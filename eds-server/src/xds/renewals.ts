/**
 * When the resources of a cache that have a time to live are told again: after half of it, so that a client
 * loses them only if this server is gone. One timer for all, and none while nobody watches.
 */
import type { Clock, Timer } from '../clock.ts'
import type { Resource } from './resource.ts'

interface Renewal {
  readonly everyMs: number
  /** On the clock's scale; undefined while nobody watches. */
  dueAt: number | undefined
}

export class Renewals {
  readonly #clock: Clock
  /** Returns false if nobody watches. */
  readonly #tell: (names: readonly string[]) => boolean
  readonly #byName = new Map<string, Renewal>()
  #isWatched = false
  /** `at` on the clock's scale. */
  #timer: (Timer & { readonly at: number }) | undefined

  /** `origin`: its clients may come here at any time, and what they have must not run out meanwhile. */
  constructor(clock: Clock, tell: (names: readonly string[]) => boolean, origin?: Renewals) {
    this.#clock = clock
    this.#tell = tell
    for (const [name, renewal] of origin ? origin.#byName : []) this.#byName.set(name, { ...renewal })
  }

  /** Everybody is about to be told of the resource as it is now. */
  set({ name, ttlMs }: Resource): void {
    if (ttlMs === undefined) {
      this.#byName.delete(name)
      return
    }
    const everyMs = ttlMs / 2
    const dueAt = this.#isWatched ? this.#clock.now() + everyMs : undefined
    this.#byName.set(name, { everyMs, dueAt })
    if (dueAt !== undefined) this.#arm(dueAt)
  }

  delete(name: string): void {
    this.#byName.delete(name)
  }

  /** Somebody watches. */
  start(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const now = this.#clock.now()
    for (const renewal of this.#byName.values()) {
      renewal.dueAt ??= now + renewal.everyMs
      this.#arm(renewal.dueAt)
    }
  }

  #arm(dueAt: number): void {
    if (this.#timer && this.#timer.at <= dueAt) return
    this.#timer?.cancel()
    const timer = this.#clock.setTimer(Math.max(0, dueAt - this.#clock.now()), () => this.#fire())
    this.#timer = { at: dueAt, cancel: () => timer.cancel() }
  }

  #fire(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    const due = Array.from(this.#byName).filter(([, { dueAt }]) => dueAt !== undefined && dueAt <= now)
    this.#isWatched = this.#tell(due.map(([name]) => name))
    if (!this.#isWatched) {
      for (const renewal of this.#byName.values()) renewal.dueAt = undefined
      return
    }
    for (const [, renewal] of due) renewal.dueAt = now + renewal.everyMs
    for (const { dueAt } of this.#byName.values()) if (dueAt !== undefined) this.#arm(dueAt)
  }
}
