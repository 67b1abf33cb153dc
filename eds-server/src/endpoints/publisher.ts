/**
 * Turns changes of the registry into resources: a change is published at once, then the service rests for three
 * times as long as that took, and what changed meanwhile is published together. So one service never takes more
 * than a quarter of the processor, however many clients it has and however fast it changes, and a change in a
 * quiet or a small service never waits. What nobody can see publishes nothing: an equal version is no change, and
 * a service that nobody watches is only noted as changed, until somebody demands it.
 *
 * Removal is in two steps (design.md 4.1): an instance that leaves is told as UNHEALTHY, and left out only when
 * every subscriber has ACKed that, or after `withdrawalMs`. So an Envoy with active health checks and without
 * `ignore_health_on_host_removal` lets go of a host that still answers its checks.
 */
import type { Clock, Timer } from '../clock.ts'
import type { RegistryEvent } from '../registry/changes.ts'
import { hostPort, type Instance, isOffered } from '../registry/instance.ts'
import type { Registry } from '../registry/registry.ts'
import type { LinearCache } from '../xds/linear-cache.ts'
import { createResource } from '../xds/resource.ts'
import { WILDCARD } from '../xds/resource-cache.ts'
import { buildAssignment } from './endpoint-builder.ts'

export interface PublisherOptions {
  readonly clock: Clock
  readonly registry: Registry
  readonly cache: LinearCache
  /** Told how long each publication took, milliseconds. */
  readonly published?: (durationMs: number) => void
  /** Longest wait for the ACKs of the first step of a removal, milliseconds. Default 500. */
  readonly withdrawalMs?: number
}

interface Publication {
  isDirty: boolean
  /** By the clock. */
  restsUntil: number
  timer: Timer | undefined
  /** Instances that left and are still told as UNHEALTHY, by address. */
  readonly withdrawn: Map<string, Withdrawal>
}

interface Withdrawal {
  readonly instance: Instance
  isTold: boolean
}

/** Rest after a publication, in times of what it took. */
const REST_FACTOR = 3
const LONGEST_REST_MS = 100
const DEFAULT_WITHDRAWAL_MS = 500

export class Publisher {
  readonly #options: PublisherOptions
  readonly #publications = new Map<string, Publication>()
  readonly #unsubscribe: () => void
  readonly #waiting = new Set<() => void>()
  #closed = false

  constructor(options: PublisherOptions) {
    this.#options = options
    for (const service of options.registry.services()) this.#schedule(service)
    this.#unsubscribe = options.registry.on(event => this.#changed(event))
  }

  /** Publishes now what the service's pending changes are, if there are any. */
  publish(service: string): void {
    const publication = this.#publications.get(service)
    if (publication?.isDirty) this.#publish(service, publication)
  }

  /** Somebody is about to watch the service, or all of them: publishes what was not worth it before. */
  demand(service: string): void {
    const demanded = service === WILDCARD ? this.#publications.keys() : [service]
    for (const each of demanded) this.publish(each)
  }

  /** Resolves when the instance, which was removed, is told to nobody any more, or when the signal aborts. */
  async withdrawn(service: string, instanceId: string, signal: AbortSignal): Promise<void> {
    this.publish(service)
    while (!signal.aborted && this.#isBeingWithdrawn(service, instanceId)) await this.#nextPublication(signal)
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    for (const publication of this.#publications.values()) publication.timer?.cancel()
    this.#publications.clear()
    this.#notify()
  }

  #changed({ type, instance, previous }: RegistryEvent): void {
    const publication = this.#publicationOf(instance.service)
    const isRemoval = type === 'expired' || type === 'deregistered' || type === 'superseded'
    // An instance that came (back) to an address is no longer on its way out of it.
    if (!isRemoval) publication.withdrawn.delete(hostPort(instance))
    const left = isRemoval ? instance : leftAddress(instance, previous)
    if (left && isOffered(left) && this.#options.cache.isWatched(instance.service)) {
      publication.withdrawn.set(hostPort(left), { instance: left, isTold: false })
    }
    this.#schedule(instance.service)
  }

  #isBeingWithdrawn(service: string, instanceId: string): boolean {
    const withdrawals = this.#publications.get(service)?.withdrawn.values() ?? []
    return Array.from(withdrawals).some(({ instance }) => instance.instanceId === instanceId)
  }

  #publicationOf(service: string): Publication {
    let publication = this.#publications.get(service)
    if (!publication) {
      publication = {
        isDirty: false,
        restsUntil: 0,
        timer: undefined,
        withdrawn: new Map(),
      }
      this.#publications.set(service, publication)
    }
    return publication
  }

  #schedule(service: string): void {
    if (this.#closed) return
    const publication = this.#publicationOf(service)
    publication.isDirty = true
    if (publication.timer || !this.#options.cache.isWatched(service)) return
    // Even the first waits until the caller's answer is written: replies never queue behind a push.
    const delayMs = publication.restsUntil - this.#options.clock.now()
    publication.timer = this.#options.clock.setTimer(Math.max(0, delayMs), () => this.publish(service))
  }

  #publish(service: string, publication: Publication): void {
    const { registry, cache, clock } = this.#options
    publication.timer?.cancel()
    publication.timer = undefined
    publication.isDirty = false
    const startedAt = clock.now()
    const offered = (registry.instances(service) ?? []).filter(isOffered)
    const withdrawn = new Set(Array.from(publication.withdrawn.values(), withdrawal => withdrawal.instance))
    cache.set(createResource(cache.type, service, buildAssignment(service, offered, withdrawn)))
    const endedAt = clock.now()
    publication.restsUntil = endedAt + Math.min(REST_FACTOR * (endedAt - startedAt), LONGEST_REST_MS)
    this.#options.published?.(endedAt - startedAt)
    this.#awaitWithdrawals(service, publication)
    this.#notify()
  }

  /** Step two for the instances that this publication told as UNHEALTHY for the first time. */
  #awaitWithdrawals(service: string, publication: Publication): void {
    const told = [...publication.withdrawn].filter(([, withdrawal]) => !withdrawal.isTold)
    if (told.length === 0) return
    for (const [, withdrawal] of told) withdrawal.isTold = true
    const timeoutMs = this.#options.withdrawalMs ?? DEFAULT_WITHDRAWAL_MS
    void this.#options.cache.acked(service, { timeoutMs }).then(() => {
      for (const [address, withdrawal] of told) {
        if (publication.withdrawn.get(address) === withdrawal) publication.withdrawn.delete(address)
      }
      this.#schedule(service)
      this.publish(service)
    })
  }

  #nextPublication(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }

  #notify(): void {
    for (const done of [...this.#waiting]) done()
  }
}

/** The instance as it was, when it has moved to another address; clients see that as one host leaving. */
function leftAddress(instance: Instance, previous: Instance | undefined): Instance | undefined {
  return previous && hostPort(previous) !== hostPort(instance) ? previous : undefined
}
