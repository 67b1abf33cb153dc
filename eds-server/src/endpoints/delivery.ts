/**
 * Says who knows: translates "is this instance known, or gone, everywhere" into ACKs of the service's resource.
 * The clients that subscribe to the service count, and for a while those whose stream broke; each is named if it is
 * late. A server that follows another life does not know at first who had what that one told: then it waits until
 * they are back, and says so where the time is too short.
 */
import { type Clock, pause } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import type { RegistryEvent } from '../registry/changes.ts'
import { type Instance, isOffered } from '../registry/instance.ts'
import { unknown } from '../registry/refusals.ts'
import type { Registry } from '../registry/registry.ts'
import type { LinearCache } from '../xds/linear-cache.ts'
import { RETURN_MS } from '../xds/lost-watchers.ts'
import type { AckReport } from '../xds/node-status.ts'
import type { Publisher } from './publisher.ts'

/** How many clients subscribe to the service, how many know, and which do not. */
export interface DeliveryReport extends AckReport {
  /** Clients of an earlier life of the server may not be back yet, and still have what it told them. */
  readonly incomplete?: true
}

export interface DeliveryWait {
  readonly timeoutMs: number
  /** Ends the wait early, for a caller that has gone. */
  readonly signal?: AbortSignal
}

export interface DeliveryOptions {
  readonly clock: Clock
  readonly registry: Registry
  readonly publisher: Publisher
  readonly cache: LinearCache
  /** Clients may have been told of instances before this server started. */
  readonly hasPast: boolean
}

export class Delivery {
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #publisher: Publisher
  readonly #cache: LinearCache
  /** By the clock: when the clients of an earlier life are back. */
  readonly #completeAt: number

  constructor(options: DeliveryOptions) {
    this.#clock = options.clock
    this.#completeAt = options.clock.now() + (options.hasPast ? RETURN_MS : 0)
    this.#registry = options.registry
    this.#publisher = options.publisher
    this.#cache = options.cache
  }

  /** Resolves when every subscriber has ACKed what the registry says of the service now, or at the deadline. */
  settled(service: string, wait: DeliveryWait): Promise<DeliveryReport> {
    return this.#within(wait, async (remainingMs, signal) => {
      this.#publisher.publish(service)
      await this.#everyoneIsBack(signal)
      return this.#cache.acked(service, { timeoutMs: remainingMs(), signal })
    })
  }

  /**
   * Resolves when every subscriber has ACKed the instance, or at the deadline. An instance that is not offered by
   * then (it is still starting): ROLLCALL_NOT_READY. An absent one: ROLLCALL_INSTANCE_UNKNOWN.
   */
  live(service: string, instanceId: string, wait: DeliveryWait): Promise<DeliveryReport> {
    return this.#within(wait, async (remainingMs, signal) => {
      const decided = (instance: Instance | undefined): boolean =>
        instance === undefined || isOffered(instance)
      const instance = await this.#instanceWhen(service, instanceId, decided, signal)
      if (!instance) throw unknown(service, instanceId)
      if (!isOffered(instance)) {
        const message = `instance ${JSON.stringify(instanceId)} is ${instance.status}: it is not offered to clients yet`
        throw new RollcallError('ROLLCALL_NOT_READY', message, { field: 'status', value: instance.status })
      }
      this.#publisher.publish(service)
      return this.#cache.acked(service, { timeoutMs: remainingMs(), signal })
    })
  }

  /** Resolves when every subscriber has ACKed a state without the instance, or at the deadline. */
  gone(service: string, instanceId: string, wait: DeliveryWait): Promise<DeliveryReport> {
    return this.#within(wait, async (remainingMs, signal) => {
      await this.#instanceWhen(service, instanceId, instance => instance === undefined, signal)
      await this.#publisher.withdrawn(service, instanceId, signal)
      await this.#everyoneIsBack(signal)
      return this.#cache.acked(service, { timeoutMs: remainingMs(), signal })
    })
  }

  /** Runs `work` with a signal that aborts at the deadline, and with the time that is left until then. */
  async #within(
    { timeoutMs, signal }: DeliveryWait,
    work: (remainingMs: () => number, signal: AbortSignal) => Promise<AckReport>,
  ): Promise<DeliveryReport> {
    const end = this.#clock.now() + timeoutMs
    const deadline = new AbortController()
    const timer = this.#clock.setTimer(timeoutMs, () => deadline.abort())
    const abort = (): void => deadline.abort()
    signal?.addEventListener('abort', abort)
    try {
      const report = await work(() => Math.max(0, end - this.#clock.now()), deadline.signal)
      return this.#clock.now() < this.#completeAt ? { ...report, incomplete: true } : report
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Resolves when clients of before the start had the time to come back, or when the signal aborts. */
  #everyoneIsBack(signal: AbortSignal): Promise<void> {
    return pause(this.#clock, this.#completeAt - this.#clock.now(), signal)
  }

  /** The instance as soon as it is as wanted, or as it is when the signal aborts. */
  #instanceWhen(
    service: string,
    instanceId: string,
    isWanted: (instance: Instance | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<Instance | undefined> {
    const current = (): Instance | undefined => this.#registry.get(service, instanceId)
    if (signal.aborted || isWanted(current())) return Promise.resolve(current())
    return new Promise(resolve => {
      const finish = (): void => {
        unsubscribe()
        signal.removeEventListener('abort', finish)
        resolve(current())
      }
      const unsubscribe = this.#registry.on(({ instance }: RegistryEvent) => {
        const isOurs = instance.service === service && instance.instanceId === instanceId
        if (isOurs && isWanted(current())) finish()
      })
      signal.addEventListener('abort', finish)
    })
  }
}
