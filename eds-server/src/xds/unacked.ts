/**
 * Clients that read and do not ACK while something newer waits for them: after a time each is told it all the same
 * so that a client which lost an ACK is not left behind for ever, and none is flooded (F14).
 */
import type { Clock, Timer } from '../clock.ts'

/** How long a response may be un-ACKed before something newer follows it. */
export const UNACKED_MS = 30_000

export interface Unacknowledged {
  /** Something newer is to be sent without the ACK. */
  overdue(): void
}

export class Unacked {
  readonly #clock: Clock
  readonly #dueAt = new Map<Unacknowledged, number>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  /** Something newer waits behind a response that was sent at this time by `now()`. */
  add(client: Unacknowledged, sentAt: number): void {
    if (!this.#dueAt.has(client)) this.#dueAt.set(client, sentAt + UNACKED_MS)
    this.#arm()
  }

  delete(client: Unacknowledged): void {
    // Asked at every ACK, and most often there is nobody.
    if (this.#dueAt.size === 0) return
    if (!this.#dueAt.delete(client) || this.#dueAt.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** One timer for all; it looks again no earlier than a tenth of the time later. */
  #arm(): void {
    if (this.#dueAt.size === 0) return
    this.#timer ??= this.#clock.setTimer(UNACKED_MS / 10, () => {
      this.#timer = undefined
      const now = this.#clock.now()
      for (const [client, dueAt] of [...this.#dueAt]) {
        if (dueAt > now) continue
        this.#dueAt.delete(client)
        client.overdue()
      }
      this.#arm()
    })
  }
}
