/**
 * When to believe that silence is death (faults.md 2.2 rules 2 to 4). Many leases running out together mean that
 * the heartbeats are lost and not the instances: then expiry is frozen, and nothing is removed or marked by it. What an
 * instance or an operator says (deregister, drain, a status) always counts.
 *
 * A lease counts as renewed when it had a heartbeat within two of its own intervals. So leases of all lengths weigh
 * the same, and an agent that beats too often hides nobody's silence. Lapsed leases are not expected to renew.
 * Nothing is kept per heartbeat: leases are counted when one is due, and each second while frozen.
 */
import type { Clock, Timer } from '../clock.ts'
import { type Holding, heartbeatIntervalMs } from './lease.ts'

/** `auto`: as the rules say. `on`: frozen by the operator. `off`: never frozen, and no limit on removals. */
export type PreservationOverride = 'auto' | 'on' | 'off'

export interface PreservationState {
  readonly frozen: boolean
  /** For people; present while frozen. */
  readonly reason?: string
  /** ISO 8601; present while frozen. */
  readonly since?: string
  /** Leases that should have had a heartbeat lately, and those that had. */
  readonly expected: number
  readonly renewed: number
  /** Milliseconds until the freeze ends if heartbeats go on as now; missing while too few arrive. */
  readonly releasesInMs?: number
  readonly override: PreservationOverride
}

export interface SelfPreservationOptions {
  readonly clock: Clock
  /** Lease time. */
  readonly now: () => number
  /** So long renewals must have recovered before the freeze ends. */
  readonly windowMs: number
  readonly holdings: () => Iterable<Holding>
  /** Called when a freeze begins and when it ends. */
  readonly changed: (state: PreservationState) => void
}

/** Below this number a share says nothing. */
const LEASES_MIN = 10
const FREEZE_BELOW = 0.85
const RELEASE_FROM = 0.9
const LOOK_EVERY_MS = 1000
/** Counting takes at most a twentieth of the time. */
const COUNT_REST = 20
const COUNT_EVERY_MS = 50

export class SelfPreservation {
  readonly #options: SelfPreservationOptions
  #override: PreservationOverride = 'auto'
  #frozen: { readonly reason: string; readonly since: Date } | undefined
  #recoveredAt: number | undefined
  #expected = 0
  #renewed = 0
  #countAt = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #closed = false

  constructor(options: SelfPreservationOptions) {
    this.#options = options
  }

  get override(): PreservationOverride {
    return this.#override
  }

  /** Asked before a lease lapses or ends by expiry. */
  isFrozen(): boolean {
    this.#look()
    return this.#frozen !== undefined
  }

  setOverride(override: PreservationOverride): void {
    this.#override = override
    this.#recoveredAt = undefined
    this.#countAt = Number.NEGATIVE_INFINITY
    if (override === 'on') this.#freeze('an operator said so')
    else if (override === 'off') this.#release()
    this.#look()
  }

  state(): PreservationState {
    this.#look()
    return this.#view()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #look(): void {
    const now = this.#options.now()
    if (now < this.#countAt || this.#closed) return
    this.#count(now)
    if (this.#override !== 'auto') return
    const share = this.#expected === 0 ? 1 : this.#renewed / this.#expected
    if (!this.#frozen) {
      if (this.#expected >= LEASES_MIN && share < FREEZE_BELOW) this.#freeze(this.#shortage())
      return
    }
    // Enough for one full window, without a gap: then the silence was not ours (rule 4).
    if (share < RELEASE_FROM) this.#recoveredAt = undefined
    else this.#recoveredAt ??= now
    if (this.#recoveredAt !== undefined && now - this.#recoveredAt >= this.#options.windowMs) this.#release()
  }

  #count(now: number): void {
    const { clock, holdings } = this.#options
    const startedAt = clock.now()
    let expected = 0
    let renewed = 0
    for (const { instance, renewedAt } of holdings()) {
      if (instance.ttlMs === undefined || instance.lapsed) continue
      expected += 1
      if (now - renewedAt <= 2 * heartbeatIntervalMs(instance.ttlMs)) renewed += 1
    }
    this.#expected = expected
    this.#renewed = renewed
    this.#countAt = now + Math.max(COUNT_EVERY_MS, COUNT_REST * (clock.now() - startedAt))
  }

  #shortage(): string {
    const percent = Math.floor((100 * this.#renewed) / this.#expected)
    return `only ${this.#renewed} of ${this.#expected} leases (${percent} %) had a heartbeat within two intervals`
  }

  #freeze(reason: string): void {
    const isNew = this.#frozen === undefined
    this.#frozen = { reason, since: this.#frozen?.since ?? this.#options.clock.wallTime() }
    this.#arm()
    if (isNew) this.#options.changed(this.#view())
  }

  #release(): void {
    if (!this.#frozen) return
    this.#frozen = undefined
    this.#recoveredAt = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#options.changed(this.#view())
  }

  /** When every lease is renewed again none is due, and nobody would ask. */
  #arm(): void {
    if (this.#closed) return
    this.#timer ??= this.#options.clock.setTimer(LOOK_EVERY_MS, () => {
      this.#timer = undefined
      this.#look()
      if (this.#frozen) this.#arm()
    })
  }

  #view(): PreservationState {
    const counts = { expected: this.#expected, renewed: this.#renewed, override: this.#override }
    if (!this.#frozen) return { frozen: false, ...counts }
    const { reason, since } = this.#frozen
    const frozen = { frozen: true, reason, since: since.toISOString(), ...counts }
    if (this.#recoveredAt === undefined) return frozen
    const leftMs = this.#recoveredAt + this.#options.windowMs - this.#options.now()
    return { ...frozen, releasesInMs: Math.max(0, Math.round(leftMs)) }
  }
}
