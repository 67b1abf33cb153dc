/** A clock that moves only when told to: timers fire in order of their time as `advance` passes them. */
import type { Clock, Timer } from '../../eds-server/src/clock.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

export class ManualClock implements Clock {
  #now = 1_000_000
  #order = 0
  readonly #pending = new Set<Pending>()
  #wallOffsetMs = Date.parse('2026-01-01T00:00:00Z')

  now(): number {
    return this.#now
  }

  wallTime(): Date {
    return new Date(this.#now + this.#wallOffsetMs)
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    this.#order += 1
    const pending = { at: this.#now + Math.max(0, delayMs), order: this.#order, fire }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  defer(fire: () => void): Timer {
    return this.setTimer(0, fire)
  }

  get pendingTimers(): number {
    return this.#pending.size
  }

  /** Moves time forward, firing every timer on the way at its own time. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#pending.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fire()
    }
    this.#now = Math.max(this.#now, end)
  }

  /** A stall: time passes and nothing runs; what became due runs late, all at once. */
  stall(ms: number): void {
    this.#now += ms
    this.advance(0)
  }

  /** Time passes within a piece of work; nothing fires. */
  stallOnly(ms: number): void {
    this.#now += ms
  }

  /** Fires the timers that are due first, and no other. */
  fireNext(): void {
    const next = this.#next(Number.POSITIVE_INFINITY)
    if (!next) return
    this.#pending.delete(next)
    this.#now = Math.max(this.#now, next.at)
    next.fire()
  }

  /** The wall clock jumps; the monotonic one does not. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  #next(end: number): Pending | undefined {
    let next: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.at > end) continue
      if (!next || pending.at < next.at || (pending.at === next.at && pending.order < next.order))
        next = pending
    }
    return next
  }
}
