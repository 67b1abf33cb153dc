/**
 * Turns changes of the registry into resources: a change is published at once, then the service rests for five
 * milliseconds and twice what that took until the last stream's bytes were with the kernel; what changed meanwhile is
 * published together. So a change in a quiet service never waits, clients of a busy one get at most 200 publications a
 * second, and one service never takes more than a third of the processor, however many clients it has. What nobody can
 * see publishes nothing: an equal version is no change, and a service that nobody watches is only noted as changed,
 * until somebody demands it.
 *
 * Removal is in two steps (design.md 4.1): an instance that leaves is told as UNHEALTHY, and left out only when
 * every subscriber has ACKed that, or after `withdrawalMs`. So an Envoy with active health checks and without
 * `ignore_health_on_host_removal` lets go of a host that still answers its checks.
 */
import type { Clock, Timer } from '../clock.ts'
import type { RegistryEvent } from '../registry/changes.ts'
import type { Registry } from '../registry/registry.ts'
import type { LinearCache } from '../xds/linear-cache.ts'
import { createResource } from '../xds/resource.ts'
import { WILDCARD } from '../xds/resource-cache.ts'
import { Publication } from './publication.ts'

export interface PublisherOptions {
  readonly clock: Clock
  readonly registry: Registry
  readonly cache: LinearCache
  /** Told how long each publication took, milliseconds. */
  readonly published?: (durationMs: number) => void
  /** Longest wait for the ACKs of the first step of a removal, milliseconds. Default 500. */
  readonly withdrawalMs?: number
}

interface Schedule {
  readonly publication: Publication
  /** Something changed since the last publication. */
  isDirty: boolean
  /** What the last publication took, milliseconds. */
  costMs: number
  /** By the clock. */
  restsUntil: number
  /** The next publication, or the end of the present one. */
  timer: Timer | undefined
}

const SHORTEST_REST_MS = 5
/** Longer rest after a publication, in times of what it took. */
const REST_FACTOR = 2
const LONGEST_REST_MS = 100
const DEFAULT_WITHDRAWAL_MS = 500

export class Publisher {
  readonly #options: PublisherOptions
  readonly #schedules = new Map<string, Schedule>()
  readonly #unsubscribe: () => void
  readonly #waiting = new Set<() => void>()
  #closed = false

  constructor(options: PublisherOptions) {
    this.#options = options
    for (const service of options.registry.services()) this.#dirty(this.#scheduleOf(service))
    this.#unsubscribe = options.registry.on(event => this.#changed(event))
  }

  /** Publishes now what the service's pending changes are, if there are any. */
  publish(service: string): void {
    const schedule = this.#schedules.get(service)
    if (schedule?.isDirty) this.#publish(schedule)
  }

  /** Somebody is about to watch the service, or all of them: publishes what was not worth it before. */
  demand(service: string): void {
    const demanded = service === WILDCARD ? this.#schedules.keys() : [service]
    for (const each of demanded) this.publish(each)
  }

  /** Resolves when the instance, which was removed, is told to nobody any more, or when the signal aborts. */
  async withdrawn(service: string, instanceId: string, signal: AbortSignal): Promise<void> {
    this.publish(service)
    const isWithdrawing = (): boolean =>
      this.#schedules.get(service)?.publication.isWithdrawing(instanceId) ?? false
    while (!signal.aborted && isWithdrawing()) await this.#nextPublication(signal)
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    for (const { timer } of this.#schedules.values()) timer?.cancel()
    this.#schedules.clear()
    this.#notify()
  }

  #changed(event: RegistryEvent): void {
    if (event.type === 'stalled' || event.type === 'resumed') return // nothing that clients can see (F46)
    const { service } = event.instance
    const schedule = this.#scheduleOf(service)
    schedule.publication.note(event, this.#options.cache.isWatched(service))
    this.#dirty(schedule)
  }

  #scheduleOf(service: string): Schedule {
    let schedule = this.#schedules.get(service)
    if (!schedule) {
      const publication = new Publication(service, this.#options.registry)
      schedule = { publication, isDirty: false, costMs: 0, restsUntil: 0, timer: undefined }
      this.#schedules.set(service, schedule)
    }
    return schedule
  }

  #dirty(schedule: Schedule): void {
    if (this.#closed) return
    schedule.isDirty = true
    if (schedule.timer || !this.#options.cache.isWatched(schedule.publication.service)) return
    const { clock } = this.#options
    const delayMs = schedule.restsUntil - clock.now()
    const publish = (): void => this.#publish(schedule)
    schedule.timer = delayMs > 0 ? clock.setTimer(delayMs, publish) : clock.defer(publish)
  }

  #publish(schedule: Schedule): void {
    const { cache, clock } = this.#options
    const { publication } = schedule
    schedule.timer?.cancel()
    schedule.isDirty = false
    const startedAt = clock.now()
    // Streams write when the present turn of the event loop ends: only then is it known what all of it took.
    schedule.timer = clock.setTimer(0, () => this.#rest(schedule, clock.now() - startedAt))
    cache.set(createResource(cache.type, publication.service, publication.encode()))
    this.#options.published?.(clock.now() - startedAt)
    this.#awaitWithdrawals(schedule)
    this.#notify()
  }

  #rest(schedule: Schedule, costMs: number): void {
    schedule.timer = undefined
    // The lesser of two: a pause of the process that fell into one of them is no cost of the service.
    const usualMs = Math.min(costMs, schedule.costMs)
    schedule.costMs = costMs
    const restMs = Math.min(SHORTEST_REST_MS + REST_FACTOR * usualMs, LONGEST_REST_MS)
    schedule.restsUntil = this.#options.clock.now() + restMs
    if (schedule.isDirty) this.#dirty(schedule)
  }

  /** Step two for the instances that this publication told as UNHEALTHY for the first time. */
  #awaitWithdrawals(schedule: Schedule): void {
    const { publication } = schedule
    const told = publication.newlyTold()
    if (told.length === 0) return
    const timeoutMs = this.#options.withdrawalMs ?? DEFAULT_WITHDRAWAL_MS
    void this.#options.cache.acked(publication.service, { timeoutMs }).then(() => {
      if (this.#closed) return
      publication.end(told)
      this.#publish(schedule)
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
