/**
 * The only source of time. Leases, coalescing and deadlines read `now()`, which is monotonic: a wall clock
 * that jumps moves nothing (F10). Wall time is for display. Tests pass a clock of their own.
 */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary zero. */
  now(): number
  /** The wall clock, for logs and API answers only. */
  wallTime(): Date
  /**
   * Calls `fire` once, `delayMs` from now at the earliest; 0 means right after what is running now and the
   * answers it wrote. The timer never keeps the process alive.
   */
  setTimer(delayMs: number, fire: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  setTimer(delayMs, fire) {
    if (delayMs <= 0) {
      const soon = setImmediate(fire)
      soon.unref()
      return { cancel: () => clearImmediate(soon) }
    }
    const handle = setTimeout(fire, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
