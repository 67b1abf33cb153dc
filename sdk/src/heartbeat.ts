/**
 * Gets the lease and keeps it. One chained timer: a beat is over, answered or timed out, before the next one is
 * scheduled, so that there is never more than one in flight (F45). Nothing that a beat meets ends the chain but a
 * stop, and the timer never keeps the process alive.
 *
 * It runs in a thread of its own (heartbeat-worker.ts) and asks the app's thread before each beat. Without an answer
 * it beats all the same and says `stalled`: an event loop that is blocked is not a process that died.
 */
import { randomUUID } from 'node:crypto'
import type { RegisterAnswer } from './answers.ts'
import { RegistryError, type RollcallError } from './errors.ts'
import type { Lease, RegistryClient, Status } from './registry-client.ts'

/** What the app's thread said before a beat. */
export interface Pulse {
  /** Undefined when it did not say in time. */
  status: Status | undefined
  /** For how long it owes a sign that its event loop turns; 0: it owes none. */
  silentMs: number
}

/** `registry`: the url of the one that answered. */
export interface Registered {
  lease: Lease
  answer: RegisterAnswer
  registry: string
}

/** What the heartbeat has to tell. None of these may throw. */
export interface HeartbeatNews {
  registered(news: Registered): void
  /** The registry answered again after failures, and the lease was still there. */
  recovered(registry: string): void
  failed(error: unknown, failures: number, retryInMs: number): void
  lost(error: RollcallError): void
  /** Someone else deregistered us on purpose. */
  removed(error: RollcallError): void
}

export interface HeartbeatOwner extends HeartbeatNews {
  /** Has the checks run within `mostMs`, and waits not much longer for the answer; a patient caller waits for it. */
  pulse(mostMs: number, isPatient: boolean): Promise<Pulse>
}

export interface HeartbeatOptions {
  service: string
  instanceId: string
  hasFixedId: boolean
  secret: string
  ttlMs: number | undefined
  /** All that is registered but the status. */
  record: object
}

const DEFAULT_TTL_MS = 15_000
const FIRST_BACKOFF_MS = 200
const LONGEST_CALL_MS = 10_000
/** No network takes longer there and back. */
const SHORTEST_CALL_MS = 1000
/** Of silence: beyond any jitter or collection of garbage, and well before a lease of the default length lapses. */
export const STALLED_AFTER_MS = 3000
/** Of silence: an event loop that does not come back must lose its lease in the end, like a process that died. */
const ABANDONED_AFTER_MS = 60_000

export class Heartbeat {
  #lease: Lease | undefined
  #instanceId: string
  readonly #client: RegistryClient
  readonly #options: HeartbeatOptions
  readonly #owner: HeartbeatOwner
  #intervalMs: number
  /** The status that the registry is known to have; undefined when a beat that carried one got lost. */
  #agreed: Status | undefined
  #failures = 0
  #inFlight: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isDraining = false
  #isStopped = false
  /** Someone else deregistered us: nothing is sent any more; the checks go on, since `/healthz` does. */
  #isRemoved = false

  constructor(client: RegistryClient, options: HeartbeatOptions, owner: HeartbeatOwner) {
    this.#client = client
    this.#options = options
    this.#owner = owner
    this.#instanceId = options.instanceId
    this.#intervalMs = (options.ttlMs ?? DEFAULT_TTL_MS) / 3
  }

  /** Resolves when the first beat is over, well or badly. */
  start(): Promise<void> {
    if (!this.#isStopped) this.#inFlight ??= this.#beat()
    return this.#inFlight ?? Promise.resolve()
  }

  /**
   * Beats go on and keep the lease, but none registers or says a status any more. Resolves when no older one is
   * under way: a "healthy" in flight could otherwise overtake the DRAINING that comes next.
   */
  async enterDraining(): Promise<void> {
    this.#isDraining = true
    await this.#inFlight
  }

  /** No beat is sent any more; resolves when the one in flight is over, so that none can revive us later (F40). */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#inFlight
  }

  async #beat(): Promise<void> {
    const startedAt = performance.now()
    let waitMs: number
    try {
      await this.#renewOrRegister(startedAt + this.#intervalMs)
      this.#failures = 0
      // +-10 %, so that a fleet that started together does not stay together; from start to start, so no drift.
      waitMs = this.#intervalMs * (0.9 + 0.2 * Math.random()) - (performance.now() - startedAt)
    } catch (error) {
      this.#agreed = undefined
      // From start to start too: what was waited for an answer in vain is time of the lease (F41).
      const pauseMs = fullJitter(this.#failures++, this.#intervalMs)
      waitMs = Math.max(0, pauseMs - (performance.now() - startedAt))
      if (!this.#isStopped) this.#owner.failed(error, this.#failures, waitMs)
    }
    if (this.#isStopped) return
    this.#timer = setTimeout(() => {
      this.#inFlight = this.#beat()
    }, waitMs)
    this.#timer.unref()
  }

  async #renewOrRegister(deadline: number): Promise<void> {
    const lease = this.#lease
    if (!lease) return this.#register()
    const pulse = await this.#owner.pulse(this.#intervalMs / 2, false)
    if (this.#isStopped || pulse.silentMs > ABANDONED_AFTER_MS) return
    try {
      await this.#renew(lease, pulse, deadline)
    } catch (error) {
      if (!(error instanceof RegistryError) || ![401, 404, 410].includes(error.status)) throw error
      if (error.code === 'ROLLCALL_INSTANCE_DEREGISTERED') return this.#leave(error)
      this.#lose(error)
      // Someone else is at our place: not at once, or the two of us would throw each other out for ever.
      if (error.code === 'ROLLCALL_INCARNATION_SUPERSEDED' || error.status === 401) {
        if (!this.#options.hasFixedId) this.#instanceId = randomUUID()
        this.#failures = Math.max(this.#failures, 8)
        throw error
      }
      await this.#register(pulse.status)
    }
  }

  /** Not before the app's thread has answered: no lease is lost by waiting, and who is blocked serves nobody. */
  async #register(known?: Status): Promise<void> {
    const status = known ?? (await this.#owner.pulse(this.#intervalMs / 2, true)).status
    if (this.#isStopped || this.#isRemoved || this.#isDraining || !status) return
    const { service, secret, record } = this.#options
    const id = { service, instanceId: this.#instanceId }
    const limits = this.#limits(performance.now() + this.#intervalMs)
    const answer = await this.#client.register(id, { ...record, status }, secret, limits)
    this.#lease = Object.freeze({ ...id, incarnation: answer.incarnation, secret })
    // Bounded, since a timer of 0 or of more than 2^31 ms would fire at once, for ever.
    this.#intervalMs = Math.min(Math.max(answer.lease.heartbeatIntervalMs, 50), 86_400_000)
    this.#agreed = status
    this.#failures = 0
    this.#owner.registered({ lease: this.#lease, answer, registry: this.#client.url })
  }

  /** Says the status when the registry may have another one, and always while we are not healthy. */
  async #renew(lease: Lease, { status, silentMs }: Pulse, deadline: number): Promise<void> {
    const isNews = !this.#isDraining && (status !== 'healthy' || this.#agreed !== status)
    const said = { status: isNews ? status : undefined, stalled: silentMs >= STALLED_AFTER_MS }
    // A lost answer must not cost the whole interval: three of those are the lease (F41). The patience for one is a
    // third of it. A registry that is merely slow has renewed the lease by then.
    const patienceMs = Math.max(this.#intervalMs / 3, SHORTEST_CALL_MS)
    await this.#client.heartbeat(lease, said, this.#limits(deadline, patienceMs))
    if (status) this.#agreed = status
    if (this.#failures > 0) this.#owner.recovered(this.#client.url)
  }

  #lose(error: RollcallError): void {
    this.#lease = undefined
    // After a wilful stop there is nothing to lose.
    if (!this.#isDraining && !this.#isStopped) this.#owner.lost(error)
  }

  #leave(error: RollcallError): void {
    this.#lease = undefined
    if (this.#isStopped || this.#isDraining) return
    this.#isRemoved = true
    this.#owner.removed(error)
  }

  /** What is left of this interval, shared among the registries so that each gets its try. */
  #limits(deadline: number, mostMs = LONGEST_CALL_MS): { timeoutMs: number } {
    const leftMs = Math.max(1, deadline - performance.now())
    return { timeoutMs: Math.min(leftMs / this.#client.count, mostMs) }
  }
}

/** Anywhere between 0 and twice as much per failure; never more than one interval, the bound of F44. */
function fullJitter(failures: number, mostMs: number): number {
  return Math.random() * Math.min(mostMs, FIRST_BACKOFF_MS * 2 ** failures)
}
