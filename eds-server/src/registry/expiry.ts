/**
 * Decides when leases run out: one lazy timer wheel for all of them. Renewing a lease writes a number in it and
 * touches nothing here; an entry that comes up and finds its deadline moved is put into a later slot. So a
 * heartbeat costs no timer and no allocation, and each lease is looked at about once per time to live.
 *
 * Time here is *lease time*: monotonic time less every moment in which this process stood still. A sweep that
 * runs late by d gives d to every lease at once (faults.md 2.2 rule 1; F08, F09), because the heartbeats of
 * that time wait unread in the sockets.
 */
import type { Clock, Timer } from '../clock.ts'

/** What the wheel knows of a lease. */
export interface Expiring {
  /** Lease time at which the entry is due; may move later at any moment. Infinity = never. */
  deadline(): number
  /** The slot in which the entry waits; owned by the wheel, -1 = none. */
  slot: number
}

const SLOT_MS = 100
/**
 * Later than this by the clock is a stall. Less is a busy moment, and none of those may add up to leases that never
 * end; more is what a lease of one second, the shortest, does not survive together with a heartbeat's interval.
 */
const STALL_MS = 200

export class ExpiryWheel<Entry extends Expiring> {
  readonly #clock: Clock
  readonly #due: (entry: Entry) => void
  readonly #slots = new Map<number, Entry[]>()
  #timer: Timer | undefined
  #swept = 0
  #sweepDueAt = 0
  #stalledMs = 0
  #closed = false

  /** `due` is called for each entry whose deadline has passed; it may schedule the entry again. */
  constructor(clock: Clock, due: (entry: Entry) => void) {
    this.#clock = clock
    this.#due = due
    this.#swept = slotOf(clock.now())
  }

  /** Milliseconds of lease time. */
  now(): number {
    const now = this.#clock.now()
    this.#compensate(now)
    return now - this.#stalledMs
  }

  /** Makes sure that the entry comes up no later than its deadline's slot; a later place becomes void. */
  schedule(entry: Entry): void {
    const deadline = entry.deadline()
    if (!Number.isFinite(deadline)) {
      this.cancel(entry)
      return
    }
    if (this.#slots.size === 0) this.#swept = slotOf(this.now())
    // The slot after the deadline's own, and never one already swept.
    const slot = Math.max(slotOf(deadline), this.#swept) + 1
    // One that waits in an earlier slot comes up there and is put on then.
    if (entry.slot !== -1 && entry.slot <= slot) return
    entry.slot = slot
    const entries = this.#slots.get(slot)
    if (entries) entries.push(entry)
    else this.#slots.set(slot, [entry])
    this.#arm()
  }

  cancel(entry: Entry): void {
    entry.slot = -1
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#slots.clear()
  }

  #arm(): void {
    if (this.#timer || this.#closed) return
    this.#sweepDueAt = this.#clock.now() + SLOT_MS
    this.#timer = this.#clock.setTimer(SLOT_MS, () => this.#sweep())
  }

  #sweep(): void {
    this.#compensate(this.#clock.now())
    this.#timer = undefined
    const until = slotOf(this.now())
    while (this.#swept < until) {
      this.#swept += 1
      const entries = this.#slots.get(this.#swept)
      if (!entries) continue
      this.#slots.delete(this.#swept)
      for (const entry of entries) this.#visit(entry, this.#swept)
    }
    if (this.#slots.size > 0) this.#arm()
  }

  /** Also before the late sweep: a heartbeat that is read first must not be booked ahead of the others. */
  #compensate(now: number): void {
    if (!this.#timer) return
    const lateMs = now - this.#sweepDueAt
    if (lateMs <= STALL_MS) return
    this.#stalledMs += lateMs
    this.#sweepDueAt += lateMs
  }

  #visit(entry: Entry, slot: number): void {
    if (entry.slot !== slot) return
    entry.slot = -1
    if (entry.deadline() <= this.now()) this.#due(entry)
    else this.schedule(entry)
  }
}

function slotOf(timeMs: number): number {
  return Math.floor(timeMs / SLOT_MS)
}
