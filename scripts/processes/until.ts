/** Waiting for a condition of another process, which cannot call us: ask again and again until a deadline. */
import { setTimeout as delay } from 'node:timers/promises'

export interface UntilOptions {
  /** The deadline in milliseconds. Default 10,000. */
  withinMs?: number
  /** Pause between two looks in milliseconds. Default 10. */
  everyMs?: number
}

/**
 * Resolves with the first value of `look` that is neither undefined nor false; a look that throws counts as "not
 * yet". At the deadline it throws and says what was awaited, and what the last look saw.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = 10 }: UntilOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const value = await look()
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${withinMs} ms: ${what} (last seen: ${text(last)})`, { cause: last })
    }
    await delay(everyMs)
  }
}

/** `work`, or an error that says what was awaited when it has not settled at the deadline. */
export async function within<T>(withinMs: number, what: string, work: Promise<T>): Promise<T> {
  const abort = new AbortController()
  const late = delay(withinMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`not within ${withinMs} ms: ${what}`)
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    abort.abort()
  }
}

function text(value: unknown): string {
  if (value instanceof Error) return value.message
  return JSON.stringify(value) ?? String(value)
}
