/** What an app holds: the state of its registration, what happened to it, and the ways to wait and to leave. */
import { randomBytes } from 'node:crypto'
import { awaitDelivery } from './delivery.ts'
import { close, type Departure, type DrainReport, drain } from './drain.ts'
import { type DeliveryReport, isGone, RegistryError, RollcallError } from './errors.ts'
import { Emitter } from './events.ts'
import { type Health, HealthChecks, type HealthSource } from './health.ts'
import { LeaseKeeper, type LeaseOwner } from './lease-keeper.ts'
import type { Listener } from './listener.ts'
import type { RegistrationEvents, State, WaitOptions } from './registration-events.ts'
import { type Lease, RegistryClient } from './registry-client.ts'
import type { Settings } from './settings.ts'

export class Registration extends Emitter<RegistrationEvents> implements AsyncDisposable, HealthSource {
  /**
   * Settles when the first attempt is over: resolves also when no registry can be reached, since the app shall
   * start all the same (F44); rejects with RegistryError when the registry refused the record itself.
   */
  readonly started: Promise<void>
  /** Resolves when `close()` is done, whoever called it. */
  readonly closed: Promise<void>
  readonly #settings: Settings
  readonly #client: RegistryClient
  readonly #health: HealthChecks
  readonly #keeper: LeaseKeeper
  readonly #departure: Departure
  #state: State = 'starting'
  #firstError: unknown
  #drained: Promise<DrainReport> | undefined
  #closing: Promise<void> | undefined
  #setClosed: () => void = () => undefined

  /** Use `register` or `attach`. `hooks` run before the user's `onClose`. */
  constructor(settings: Settings, port: Promise<number>, listener?: Listener, hooks: (() => unknown)[] = []) {
    const { logger, registries, checks, checkTimeoutMs, onClose } = settings
    super(error => logger.error({ err: error }, 'a listener of the registration failed'))
    this.#settings = settings
    this.#client = new RegistryClient(registries)
    this.#health = new HealthChecks(checks, checkTimeoutMs, logger)
    const secret = randomBytes(32).toString('base64url')
    this.#keeper = new LeaseKeeper(this.#client, { ...settings, secret }, this.#owner())
    const parts = { client: this.#client, keeper: this.#keeper, health: this.#health }
    this.#departure = { settings, ...parts, listener, hooks: onClose ? [...hooks, onClose] : hooks }
    this.closed = new Promise(resolve => {
      this.#setClosed = resolve
    })
    this.started = this.#start(port)
    this.started.catch(() => undefined) // for those who do not ask; it has been logged
    settings.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get state(): State {
    return this.#state
  }

  get service(): string {
    return this.#settings.service
  }

  get instanceId(): string {
    return this.#keeper.instanceId
  }

  /** Readiness, for any framework: the last results of the checks, at most one heartbeat interval old. */
  healthz(): Health {
    return this.#health.report()
  }

  /** Liveness: also while draining, since a process that leaves must not be killed for it. */
  livez(): { status: 'alive'; httpStatus: 200 } {
    return { status: 'alive', httpStatus: 200 }
  }

  /** Resolves when every subscribed client has confirmed a version with this instance; else DeliveryError. */
  live({ timeoutMs = 10_000 }: WaitOptions = {}): Promise<DeliveryReport> {
    const id = (): Lease | undefined => {
      if (!this.#drained && this.#state !== 'deregistered') return this.#keeper.lease
      throw new RollcallError('ROLLCALL_CLOSED', `the registration is ${this.#state}`)
    }
    return awaitDelivery(this.#client, id, 'live', timeoutMs)
  }

  /** Resolves when no subscribed client has this instance any more, also after `close()`; else DeliveryError. */
  async gone({ timeoutMs = 10_000 }: WaitOptions = {}): Promise<DeliveryReport> {
    if (!this.#keeper.hasRegistered) return { subscribers: 0, acked: 0, pending: [] }
    const report = (await this.#drained)?.deregistered
    if (report && isGone(report)) return report
    const client = new RegistryClient(this.#settings.registries)
    try {
      return await awaitDelivery(client, () => this, 'gone', timeoutMs)
    } finally {
      await client.close()
    }
  }

  /** Leaves the registry; the server still serves. Resolves when no client has us, or time is up. Never rejects. */
  drain(): Promise<DrainReport> {
    if (!this.#drained) {
      const wasRemoved = this.#state === 'deregistered'
      this.#state = 'draining'
      // Not synchronously: a listener of 'draining' may call us again.
      this.#drained = Promise.resolve().then(() => this.#drain(wasRemoved))
    }
    return this.#drained
  }

  /** `drain()`, then the attached server and the connections are closed and the hooks called. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #onAbort = (): void => void this.close()

  async #start(port: Promise<number>): Promise<void> {
    let known: number | undefined
    try {
      known = (await Promise.race([port, this.closed])) ?? undefined
    } catch (error) {
      this.#owner().failed(error, 1, Number.POSITIVE_INFINITY)
      throw error
    }
    if (this.#drained) return
    await this.#keeper.start({ ...this.#settings.record, port: known })
    if (this.#firstError instanceof RegistryError && this.#firstError.isRefusal) throw this.#firstError
  }

  async #drain(wasRemoved: boolean): Promise<DrainReport> {
    const { service, instanceId } = this
    this.#settings.logger.info({ service, instanceId }, 'draining')
    this.emit('draining', { instanceId })
    const report = await drain(this.#departure)
    if (this.state === 'closed') return report // the hard deadline was faster
    this.#state = 'deregistered'
    this.#settings.logger.info({ service, instanceId, ...report }, 'deregistered')
    if (!wasRemoved) this.emit('deregistered', { by: 'self', report })
    return report
  }

  async #close(): Promise<void> {
    await close(this.#departure, this.drain())
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    this.#state = 'closed'
    this.emit('closed', { instanceId: this.instanceId })
    this.#setClosed()
  }

  /** How the heartbeat's news become state, events and one log line each. */
  #owner(): LeaseOwner {
    const { logger, service } = this.#settings
    const become = (state: State): void => {
      if (!this.#drained) this.#state = state
    }
    return {
      check: async mostMs => {
        await this.#health.run(mostMs)
        const { status } = this.#health.report()
        return status === 'draining' ? 'unhealthy' : status
      },
      registered: ({ lease, answer, registry }) => {
        become('registered')
        const { instanceId, incarnation } = lease
        const { address, port } = answer
        const event = { service, instanceId, incarnation, address, port, registry }
        const isAgain = this.#keeper.hasRegistered
        logger.info(event, isAgain ? 'registered again' : 'registered')
        this.emit(isAgain ? 'reregistered' : 'registered', event)
      },
      recovered: registry => {
        become('registered')
        logger.info({ service, registry }, 'the registry answers again')
      },
      failed: (error, failures, retryInMs) => {
        if (failures === 1) this.#firstError ??= error
        if (this.#state === 'retrying' || this.#drained) return
        become('retrying')
        logger.error({ err: error, service }, 'not registered; serving all the same, and trying on')
        this.emit('heartbeatFailed', { error, retryInMs })
      },
      lost: error => {
        become('retrying')
        logger.warn({ err: error, service }, 'the registry lost us; registering again')
        this.emit('lost', { error })
      },
      removed: error => {
        become('deregistered')
        logger.warn({ err: error, service }, 'deregistered by someone else; serving on, unregistered')
        this.emit('deregistered', { by: 'registry', error })
      },
    }
  }
}
