/** Notices a client that does not take what was written to it. One timer a stream, however many writes. */
import type { Clock, Timer } from '../clock.ts'

export class StallGuard {
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #stalled: () => void
  #waitingSince: number | undefined
  #timer: Timer | undefined

  constructor(clock: Clock, limitMs: number, stalled: () => void) {
    this.#clock = clock
    this.#limitMs = limitMs
    this.#stalled = stalled
  }

  /** Something was written that the client has not taken. */
  written(): void {
    this.#waitingSince ??= this.#clock.now()
    this.#timer ??= this.#clock.setTimer(this.#limitMs, this.#check)
  }

  /** The client has taken everything. The timer stays: most writes are taken at once, and it looks for itself. */
  taken(): void {
    this.#waitingSince = undefined
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #check = (): void => {
    this.#timer = undefined
    if (this.#waitingSince === undefined) return
    const remainingMs = this.#waitingSince + this.#limitMs - this.#clock.now()
    if (remainingMs > 0) this.#timer = this.#clock.setTimer(remainingMs, this.#check)
    else this.#stalled()
  }
}
