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
   * Calls `fire` once, `delayMs` from now at the earliest; 0 means when all that this turn of the event loop wrote is
   * with the kernel. The timer keeps the process alive no longer than that turn.
   */
  setTimer(delayMs: number, fire: () => void): Timer
  /** Calls `fire` once, right after what is running now and the answers it wrote, before anything else is read. */
  defer(fire: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  setTimer(delayMs, fire) {
    if (delayMs <= 0) {
      // Not unref'd: such a one waits for the next event, however late that comes.
      const soon = setImmediate(fire)
      return { cancel: () => clearImmediate(soon) }
    }
    const handle = setTimeout(fire, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  defer(fire) {
    let isCancelled = false
    queueMicrotask(() => {
      if (!isCancelled) fire()
    })
    return {
      cancel() {
        isCancelled = true
      },
    }
  },
}

/** Resolves after `ms`, or when one of the signals aborts; at once where any of that is over already. */
export function pause(clock: Clock, ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  if (ms <= 0 || signals.some(({ aborted }) => aborted)) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      timer.cancel()
      for (const signal of signals) signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimer(ms, done)
    for (const signal of signals) signal.addEventListener('abort', done)
  })
}
