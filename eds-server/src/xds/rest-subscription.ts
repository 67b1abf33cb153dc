/**
 * What one client asks for again and again over REST, kept between its polls: it is told of changes, counts among
 * those whose ACKs are awaited, and is gone when it polls no more.
 */
import { type Clock, pause, type Timer } from '../clock.ts'
import type { CacheGroups, Caches, Member } from './cache-groups.ts'
import type { RequestError } from './discovery-request.ts'
import type { NodeIdentity } from './node-grouping.ts'
import type { ObservedStream, PendingState, TypeStatus, TypeView } from './node-status.ts'
import { type ResourceCache, type ResourceSet, WILDCARD } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'
import { RestLedger } from './rest-ledger.ts'
import type { Watcher } from './watcher.ts'

/** A client that does not poll for so long is gone. Longer than two polls of a client that asks every 5 s. */
const IDLE_MS = 15_000

export class RestSubscription implements Watcher, Member {
  #cache: ResourceCache
  readonly #leaveGroup: () => void
  readonly #clock: Clock
  readonly #client: NodeIdentity
  readonly #names: readonly string[]
  readonly #ledger: RestLedger
  readonly #isGone: () => void
  /** One of each poll that waits for a change. */
  readonly #waiting = new Set<AbortController>()
  #polls = 0
  #idle: Timer | undefined

  constructor(options: {
    type: ResourceType
    groups: CacheGroups
    clock: Clock
    client: NodeIdentity
    names: readonly string[]
    isGone: () => void
  }) {
    const { type, groups, client } = options
    const cache = groups.cachesFor(client).get(type.typeUrl)
    if (!cache) throw new Error(`no cache of ${type.typeUrl}`)
    this.#cache = cache
    this.#leaveGroup = groups.join(client, this)
    this.#clock = options.clock
    this.#client = client
    this.#names = options.names
    this.#ledger = new RestLedger(options.names, () => options.clock.wallTime())
    this.#isGone = options.isGone
    for (const name of this.#names) this.#cache.watch(name, this)
  }

  close(): void {
    this.#idle?.cancel()
    for (const name of this.#names) this.#cache.unwatch(name, this)
    this.#leaveGroup()
    this.changed()
    this.#isGone()
  }

  get cache(): ResourceCache {
    return this.#cache
  }

  moved(caches: Caches): void {
    const previous = this.#cache
    this.#cache = caches.get(previous.type.typeUrl) ?? previous
    if (this.#cache === previous) return
    for (const name of this.#names) {
      this.#cache.watch(name, this)
      previous.unwatch(name, this)
    }
    this.changed()
  }

  /** A poll begins that shows `version`, or says that it refuses what it was told last. */
  pollBegins(version: string, error: RequestError | undefined): void {
    this.#polls += 1
    this.#idle?.cancel()
    if (this.#ledger.polled(version, error)) this.#settled()
  }

  pollEnds(): void {
    this.#polls -= 1
    if (this.#polls === 0) this.#idle = this.#clock.setTimer(IDLE_MS, () => this.close())
  }

  /** The client has the present version, even if this server never told it: after a restart, say. */
  hasCurrent(version: string): void {
    this.#ledger.hasCurrent(version, this.#cache.revision, this.#cache.type.isConfidential)
    this.#settled()
  }

  tell(set: ResourceSet): void {
    this.#ledger.tell(set, this.#cache.revision)
  }

  /** Resolves at the next change of a name, after `timeoutMs`, or when the signal aborts. */
  async nextChange(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const news = new AbortController()
    this.#waiting.add(news)
    await pause(this.#clock, timeoutMs, signal, news.signal)
    this.#waiting.delete(news)
  }

  /** As operators see it. */
  observed(typeUrl: string, peer: () => string): ObservedStream {
    const { id, cluster } = this.#client
    return {
      node: { id, cluster },
      get peer() {
        return peer()
      },
      openedAt: this.#clock.wallTime(),
      views: () => [this.#view(typeUrl)],
      types: () => [this.#status(typeUrl)],
    }
  }

  // What the cache asks and tells.

  get node(): string {
    return this.#client.id
  }

  get cluster(): string {
    return this.#client.cluster
  }

  changed(): void {
    for (const news of this.#waiting) news.abort()
  }

  released(): void {
    this.changed()
  }

  renewalDue(): void {
    // Over REST nothing has a time to live: Envoy's client for it would not count that.
  }

  ackedRevision(name: string): number {
    if (name !== WILDCARD) return this.#ledger.accepted?.revision ?? -1
    return this.#isSynced() ? Number.POSITIVE_INFINITY : -1
  }

  pendingState(): PendingState {
    return this.#ledger.pendingState
  }

  #settled(): void {
    for (const name of this.#names) this.#cache.settled(name, this)
  }

  #view(typeUrl: string): TypeView {
    const { accepted, nack } = this.#ledger
    return {
      typeUrl,
      protocol: 'rest',
      aggregated: false,
      state: this.#isSynced() ? 'SYNCED' : this.pendingState(),
      version: accepted?.version ?? '',
      names: this.#names.length,
      ...(accepted && { lastAckAt: accepted.at }),
      ...(nack && { nack }),
    }
  }

  #status(typeUrl: string): TypeStatus {
    // What is told on demand only is not among everything.
    const all = (): string[] => [...this.#cache.names()].filter(name => !this.#cache.get(name)?.isOnDemand)
    const names = this.#names.includes(WILDCARD) ? all() : this.#names
    const resources = names.map(name => {
      const resource = this.#cache.get(name) ?? this.#cache.placeholder(name)
      const state = this.#hasNewest(name) ? 'SYNCED' : this.pendingState()
      const nack = state === 'NACKED' ? this.#ledger.nack : undefined
      return { name, resource, state, changedAt: resource && this.#cache.changedAt(name), nack } as const
    })
    return { typeUrl, protocol: 'rest', aggregated: false, resources }
  }

  #isSynced(): boolean {
    return this.#names.every(name => this.#hasNewest(name))
  }

  #hasNewest(name: string): boolean {
    return this.#ledger.has(name === WILDCARD ? this.#cache.revision : this.#cache.revisionOf(name))
  }
}
