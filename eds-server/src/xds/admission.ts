/**
 * Admission of new streams: after a restart thousands of clients reconnect at once and each wants its first answer
 * (F11). They get it in the order of arrival, a few milliseconds of work at a time; between two turns the process reads its
 * sockets, so that heartbeats and API calls do not wait behind the herd, and few responses exist at a time.
 */
import type { Clock } from '../clock.ts'

const TURN_MS = 5

export class Admission {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #turnEndsAt = Number.NEGATIVE_INFINITY
  #isTurn = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Runs `admit` now or in one of the next turns. Returns the way out of the queue. */
  enter(admit: () => void): () => void {
    if (!this.#isTurn) this.#begin()
    if (this.#waiting.size === 0 && this.#clock.now() < this.#turnEndsAt) {
      admit()
      return () => undefined
    }
    this.#waiting.add(admit)
    return () => this.#waiting.delete(admit)
  }

  #begin(): void {
    this.#isTurn = true
    this.#turnEndsAt = this.#clock.now() + TURN_MS
    this.#clock.setTimer(0, () => this.#next())
  }

  #next(): void {
    this.#isTurn = false
    if (this.#waiting.size === 0) return
    this.#begin()
    for (const admit of this.#waiting) {
      this.#waiting.delete(admit)
      admit()
      if (this.#clock.now() >= this.#turnEndsAt) return
    }
  }
}
