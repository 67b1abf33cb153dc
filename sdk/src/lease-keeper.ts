/**
 * What a registration knows of its lease, and where its heartbeat runs: in the thread for heartbeats, or in this
 * one where there is no other (a permission model, a bundler that left the thread's file behind).
 */
import { Heartbeat, type HeartbeatNews, type HeartbeatOptions } from './heartbeat.ts'
import { RemoteHeartbeat } from './heartbeat-thread.ts'
import type { Logger } from './logger.ts'
import type { Lease, RegistryClient, Status } from './registry-client.ts'
import type { OpenOptions } from './thread-messages.ts'

export interface LeaseOwner extends HeartbeatNews {
  /** Runs the checks, within `mostMs`. */
  check(mostMs: number): Promise<Status>
}

export interface LeaseKeeperOptions extends Omit<OpenOptions, 'record'> {
  logger: Logger
}

export class LeaseKeeper {
  lease: Lease | undefined
  instanceId: string
  hasRegistered = false
  readonly #client: RegistryClient
  readonly #options: LeaseKeeperOptions
  readonly #owner: LeaseOwner
  #heartbeat: Pick<Heartbeat, 'start' | 'enterDraining' | 'stop'> | undefined
  #isLeaving = false

  /** `client` is used where the heartbeat runs in this thread. */
  constructor(client: RegistryClient, options: LeaseKeeperOptions, owner: LeaseOwner) {
    this.#client = client
    this.#options = options
    this.#owner = this.#following(owner)
    this.instanceId = options.instanceId
  }

  /** Registers `record`, and the status with it. Resolves when the first attempt is over, well or badly. */
  async start(record: object): Promise<void> {
    if (this.#isLeaving) return
    const first = this.#begin(record)
    await first.start()
    if (this.#heartbeat !== first) await this.#heartbeat?.start()
  }

  /** See {@link Heartbeat.enterDraining}. */
  async enterDraining(): Promise<void> {
    this.#isLeaving = true
    await this.#heartbeat?.enterDraining()
  }

  /** See {@link Heartbeat.stop}. */
  async stop(): Promise<void> {
    this.#isLeaving = true
    await this.#heartbeat?.stop()
  }

  #begin(record: object): Pick<Heartbeat, 'start' | 'enterDraining' | 'stop'> {
    const { service, hasFixedId, secret, ttlMs, registries, checkTimeoutMs } = this.#options
    const options = { service, instanceId: this.instanceId, hasFixedId, secret, ttlMs, record }
    const died = (error: Error): void => this.#fallBack(options, error)
    try {
      this.#heartbeat = new RemoteHeartbeat(
        { ...options, registries, checkTimeoutMs },
        { ...this.#owner, died },
      )
    } catch (error) {
      this.#fallBack(options, error)
    }
    return this.#heartbeat as Heartbeat
  }

  /** The secret is the same, so that what is registered from here is no other life (F36). */
  #fallBack(options: HeartbeatOptions, error: unknown): void {
    this.#heartbeat = undefined
    if (this.#isLeaving) return
    const message =
      'no thread for heartbeats: they come from the main thread, and stop while its event loop is blocked'
    this.#options.logger.warn({ err: error, service: options.service }, message)
    const { check, ...news } = this.#owner
    const pulse = async (mostMs: number) => ({ status: await check(mostMs), silentMs: 0 })
    this.#heartbeat = new Heartbeat(
      this.#client,
      { ...options, instanceId: this.instanceId },
      { ...news, pulse },
    )
    void this.#heartbeat.start()
  }

  #following(owner: LeaseOwner): LeaseOwner {
    return {
      ...owner,
      registered: news => {
        this.lease = news.lease
        this.instanceId = news.lease.instanceId
        this.#client.prefer(news.registry)
        owner.registered(news)
        this.hasRegistered = true
      },
      recovered: registry => {
        this.#client.prefer(registry)
        owner.recovered(registry)
      },
      lost: error => {
        this.lease = undefined
        owner.lost(error)
      },
      removed: error => {
        this.lease = undefined
        owner.removed(error)
      },
    }
  }
}
