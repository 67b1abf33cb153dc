/**
 * The first moments of a server that may know less than its clients. One that shows a version has hosts from an
 * earlier life of this server: it is held, told nothing, until the instances had the time to register again (F02),
 * for "I do not know" must be silence. One that shows none has nothing to lose and is answered at once, so
 * a first start is instant (faults.md 2.2 rule 5).
 */
import type { Clock } from '../clock.ts'
import { heartbeatIntervalMs } from '../registry/lease.ts'

/** An instance notices at its next heartbeat; the other interval is for a beat that got lost. */
const HEARTBEATS = 2

export class WarmUp {
  #isOver = false

  /** `ended` is called once, when those who were held are to be answered. */
  constructor(clock: Clock, ttlMs: number, ended: () => void) {
    clock.setTimer(HEARTBEATS * heartbeatIntervalMs(ttlMs), () => {
      this.#isOver = true
      ended()
    })
  }

  /** Whether a client that shows this version of an earlier stream (empty: none) is told nothing yet. */
  holds(clientVersion: string): boolean {
    return !this.#isOver && clientVersion !== ''
  }
}
