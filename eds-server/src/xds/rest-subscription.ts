/**
 * What one client asks for again and again over REST, kept between its polls: so its silence can be told from its
 * acceptance. A poll that shows the version of the last answer is its ACK; one that goes on showing an older version
 * is taken for a NACK, since over REST a client that refuses says nothing.
 */
import type { Clock, Timer } from '../clock.ts'
import type { CacheGroups, Caches, Member } from './cache-groups.ts'
import type { RequestError } from './discovery-request.ts'
import type { NodeIdentity } from './node-grouping.ts'
import {
  NACKED_NAMES,
  type Nack,
  type ObservedStream,
  type PendingState,
  type TypeStatus,
  type TypeView,
} from './node-status.ts'
import { withheld } from './request-check.ts'
import { type ResourceCache, type ResourceSet, WILDCARD } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'
import type { Watcher } from './watcher.ts'

interface Told {
  readonly version: string
  /** The revision of the cache that the answer was made from. */
  revision: number
  /** Polls since then that showed another version. */
  misses: number
  isAccepted: boolean
  /** It holds a secret. */
  readonly isConfidential: boolean
}

/** A client that does not poll for so long is gone. Longer than two polls of a client that asks every 5 s. */
const IDLE_MS = 15_000
/** A client may ask once more with what it had: its polls can cross our answer. */
const MISSES_OF_A_NACK = 2

export class RestSubscription implements Watcher, Member {
  #cache: ResourceCache
  readonly #leaveGroup: () => void
  readonly #clock: Clock
  readonly #client: NodeIdentity
  readonly #names: readonly string[]
  readonly #isGone: () => void
  readonly #waiting = new Set<() => void>()
  #polls = 0
  #idle: Timer | undefined
  #told: Told | undefined
  #acked: { version: string; revision: number; at: string } | undefined
  #nack: Nack | undefined

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
    const told = this.#told
    if (!told) return
    if (version === told.version) this.#accept(told)
    else if (told.isAccepted) this.#startAnew()
    else {
      told.misses += 1
      const suspicion = { code: 0, message: `suspected: asked again ${told.misses} times without it` }
      const isRefusal = error !== undefined || told.misses >= MISSES_OF_A_NACK
      if (isRefusal) {
        const resources = this.#names.slice(0, NACKED_NAMES)
        const said = error && told.isConfidential ? withheld(error) : error
        this.#nack = { version: told.version, resources, ...(said ?? suspicion), at: this.#now() }
      }
    }
  }

  pollEnds(): void {
    this.#polls -= 1
    if (this.#polls === 0) this.#idle = this.#clock.setTimer(IDLE_MS, () => this.close())
  }

  /** The client has the present version, even if this server never told it: after a restart, say. */
  hasCurrent(version: string): void {
    if (this.#told?.version !== version) {
      const { isConfidential } = this.#cache.type
      this.#told = { version, revision: 0, misses: 0, isAccepted: false, isConfidential }
    }
    this.#told.revision = this.#cache.revision
    this.#accept(this.#told)
  }

  tell({ version, resources }: ResourceSet): void {
    const misses = this.#told?.version === version ? this.#told.misses : 0
    const isConfidential = resources.some(resource => resource.isConfidential)
    const { revision } = this.#cache
    this.#told = { version, revision, misses, isAccepted: false, isConfidential }
  }

  /** Resolves at the next change of a name, after `timeoutMs`, or when the signal aborts. */
  nextChange(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = this.#clock.setTimer(timeoutMs, done)
      signal.addEventListener('abort', done)
      this.#waiting.add(done)
    })
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
    for (const wake of [...this.#waiting]) wake()
  }

  released(): void {
    this.changed()
  }

  renewalDue(): void {
    // Over REST nothing has a time to live: Envoy's client for it would not count that.
  }

  ackedRevision(name: string): number {
    const acked = this.#acked?.revision ?? -1
    if (name !== WILDCARD) return acked
    return this.#isSynced() ? Number.POSITIVE_INFINITY : -1
  }

  pendingState(): PendingState {
    if (this.#nack) return 'NACKED'
    return this.#told ? 'STALE' : 'NOT_SENT'
  }

  #accept(told: Told): void {
    const { version, revision } = told
    told.isAccepted = true
    this.#nack = undefined
    this.#acked = { version, revision, at: this.#now() }
    for (const name of this.#names) this.#cache.settled(name, this)
  }

  /** It has accepted an answer and now has another version: it started again, or its configuration did. */
  #startAnew(): void {
    this.#told = undefined
    this.#acked = undefined
  }

  #view(typeUrl: string): TypeView {
    const acked = this.#acked
    return {
      typeUrl,
      protocol: 'rest',
      aggregated: false,
      state: this.#isSynced() ? 'SYNCED' : this.pendingState(),
      version: acked?.version ?? '',
      names: this.#names.length,
      ...(acked && { lastAckAt: acked.at }),
      ...(this.#nack && { nack: this.#nack }),
    }
  }

  #status(typeUrl: string): TypeStatus {
    // What is told on demand only is not among everything.
    const all = (): string[] => [...this.#cache.names()].filter(name => !this.#cache.get(name)?.isOnDemand)
    const names = this.#names.includes(WILDCARD) ? all() : this.#names
    const resources = names.map(name => {
      const resource = this.#cache.get(name) ?? this.#cache.placeholder(name)
      const state = this.#hasNewest(name) ? 'SYNCED' : this.pendingState()
      const nack = state === 'NACKED' ? this.#nack : undefined
      return { name, resource, state, changedAt: resource && this.#cache.changedAt(name), nack } as const
    })
    return { typeUrl, protocol: 'rest', aggregated: false, resources }
  }

  #isSynced(): boolean {
    return this.#names.every(name => this.#hasNewest(name))
  }

  #hasNewest(name: string): boolean {
    const acked = this.#acked?.revision
    if (acked === undefined || this.#nack) return false
    return acked >= (name === WILDCARD ? this.#cache.revision : this.#cache.revisionOf(name))
  }

  #now(): string {
    return this.#clock.wallTime().toISOString()
  }
}
