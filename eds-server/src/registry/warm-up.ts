/**
 * After a start: may what the registry knows be told to those who know something of before (faults.md 2.2 rule 5)?
 * Not until the instances had the time to say that they are there. Clients without a past need not wait.
 */
import type { Clock, Timer } from '../clock.ts'
import { heartbeatIntervalMs } from './lease.ts'

export interface WarmUpState {
  readonly warm: boolean
  /** Why not, for people; present while not warm. */
  readonly reason?: string
  /** Milliseconds until it is warm at the latest; 0 when it is. */
  readonly remainingMs: number
}

export interface WarmUpOptions {
  readonly clock: Clock
  /** The registry's usual time to live. */
  readonly ttlMs: number
  /** Instances with a lease that were loaded. */
  readonly stored: number
  /** False where earlier registrations may be missing. */
  readonly isComplete: boolean
}

/** Of the stored instances, before the others are believed to be gone. */
const CONFIRMED_SHARE = 0.85

export class WarmUp {
  readonly #clock: Clock
  readonly #stored: number
  readonly #needed: number
  readonly #isComplete: boolean
  readonly #limitMs: number
  readonly #longestMs: number
  readonly #intervalMs: number
  readonly #listeners = new Set<() => void>()
  #startedAt: number
  #endsAt = 0
  #timer: Timer | undefined
  #confirmed = 0
  #isWarm = false

  constructor({ clock, ttlMs, stored, isComplete }: WarmUpOptions) {
    this.#clock = clock
    this.#stored = stored
    this.#isComplete = isComplete
    this.#needed = Math.ceil(CONFIRMED_SHARE * stored)
    // Every SDK gets two chances to register again; stored instances get as long as their lease would.
    const forRegistrations = isComplete ? 0 : 2 * heartbeatIntervalMs(ttlMs)
    const limitMs = Math.max(forRegistrations, stored > 0 ? 2 * ttlMs : 0)
    this.#limitMs = limitMs
    this.#intervalMs = heartbeatIntervalMs(ttlMs)
    this.#longestMs = 2 * ttlMs
    this.#startedAt = clock.now()
    if (limitMs === 0) this.#isWarm = true
    else this.#endAt(this.#startedAt + limitMs)
  }

  get isWarm(): boolean {
    return this.#isWarm
  }

  /** Whether a client that shows this version of an earlier life must wait; an empty version has nothing to lose. */
  holds(clientVersion: string): boolean {
    return !this.#isWarm && clientVersion !== ''
  }

  /** From now on instances can reach us: their time begins, however long the start took (F02). */
  reachable(): void {
    if (this.#isWarm) return
    this.#startedAt = this.#clock.now()
    this.#endAt(this.#startedAt + this.#limitMs)
  }

  /** An instance that is not known has come. While they do, others may be on their way: one more interval for them. */
  arrived(): void {
    if (this.#isWarm || this.#isComplete) return
    const longest = this.#startedAt + this.#longestMs
    this.#endAt(Math.min(longest, Math.max(this.#endsAt, this.#clock.now() + this.#intervalMs)))
  }

  /** A stored instance has sent a heartbeat, or has left. */
  confirmed(): void {
    this.#confirmed += 1
    // What is not in the store may still be on its way: then only the time decides.
    if (this.#isComplete && this.#confirmed >= this.#needed) this.#end()
  }

  state(): WarmUpState {
    if (this.#isWarm) return { warm: true, remainingMs: 0 }
    const remainingMs = Math.max(0, Math.round(this.#endsAt - this.#clock.now()))
    const reason = this.#isComplete
      ? `${this.#confirmed} of ${this.#stored} stored instances have sent a heartbeat, ${this.#needed} are awaited`
      : 'what was registered before is not known: instances get the time to register again'
    return { warm: false, reason, remainingMs }
  }

  /** Calls `listener` once, when it is warm; at once if it is. */
  onWarm(listener: () => void): void {
    if (this.#isWarm) listener()
    else this.#listeners.add(listener)
  }

  close(): void {
    this.#timer?.cancel()
    this.#listeners.clear()
  }

  #endAt(endsAt: number): void {
    if (endsAt === this.#endsAt) return
    this.#endsAt = endsAt
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(endsAt - this.#clock.now(), () => this.#end())
  }

  #end(): void {
    if (this.#isWarm) return
    this.#isWarm = true
    this.#timer?.cancel()
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }
}
