/** One type on one stream: joins a subscription to the cache that it watches, and keeps what operators are shown. */
import type { CommonRequest } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { Verdict } from './ledger.ts'
import { NACKED_NAMES, type Nack, type PendingState, type TypeStatus, type TypeView } from './node-status.ts'
import { withheld } from './request-check.ts'
import { type ResourceCache, WILDCARD } from './resource-cache.ts'
import type { Subscription } from './subscription.ts'
import type { Interest, Source } from './subscription-ports.ts'
import type { Unacknowledged } from './unacked.ts'
import type { Watcher } from './watcher.ts'

/** What a watch needs of the stream that it is on. */
export interface WatchOwner {
  readonly nodeId: string
  readonly nodeCluster: string
  /** Whether the client can be told a time to live. */
  readonly takesTtl: boolean
  /** Something may be ready to be sent. */
  flush(): void
  wallTime(): Date
}

export class Watch<Request extends CommonRequest> implements Watcher, Interest, Unacknowledged {
  #cache: ResourceCache
  readonly subscription: Subscription<Request>
  readonly #owner: WatchOwner
  #sentAt = 0
  #ackedVersion = ''
  #lastAckAt: Date | undefined
  /** The last answer was one, which is not taken back yet. */
  #nack: Nack | undefined
  /** The answer that refused each resource; those of one response share it. */
  #nacks: Map<string, Nack> | undefined
  /** The outstanding response holds a secret. */
  #isConfidential = false

  constructor(
    cache: ResourceCache,
    owner: WatchOwner,
    subscribe: (source: Source, interest: Interest) => Subscription<Request>,
  ) {
    this.#cache = cache
    this.#owner = owner
    this.subscription = subscribe(cache, this)
  }

  get cache(): ResourceCache {
    return this.#cache
  }

  /** Goes on with another cache that holds the same, with the same revisions. */
  move(cache: ResourceCache): void {
    const previous = this.#cache
    if (cache === previous) return
    this.#cache = cache
    this.subscription.move(cache)
    previous.unacked.delete(this)
    for (const name of this.#watched()) {
      // First the new one: whoever waits for ACKs must not think that this client has gone.
      cache.watch(name, this)
      previous.unwatch(name, this)
    }
    this.#noteUnacked()
  }

  get node(): string {
    return this.#owner.nodeId
  }

  get cluster(): string {
    return this.#owner.nodeCluster
  }

  get takesTtl(): boolean {
    return this.#owner.takesTtl
  }

  request(request: Request): Verdict | undefined {
    const verdict = this.subscription.request(request)
    if (verdict) this.cache.unacked.delete(this)
    this.#noteUnacked()
    if (!verdict) return undefined
    const at = this.#owner.wallTime()
    if (!verdict.error) {
      this.#nack = undefined
      for (const name of verdict.names) this.#nacks?.delete(name)
      this.#ackedVersion = verdict.version
      this.#lastAckAt = at
      return verdict
    }
    const error = this.#isConfidential ? withheld(verdict.error) : verdict.error
    const resources = verdict.names.slice(0, NACKED_NAMES)
    this.#nack = { version: verdict.version, resources, ...error, at: at.toISOString() }
    this.#nacks ??= new Map()
    for (const name of verdict.names) this.#nacks.set(name, this.#nack)
    // What is not subscribed any more is nobody's concern, and would be kept for ever.
    for (const name of this.#nacks.keys()) if (!this.subscription.covers(name)) this.#nacks.delete(name)
    return { ...verdict, error }
  }

  respond(nonce: string): Response | undefined {
    const response = this.subscription.respond(nonce)
    if (!response) return undefined
    this.#sentAt = this.cache.unacked.now()
    this.#isConfidential = response.resources.some(({ isConfidential }) => isConfidential)
    return response
  }

  /** The client asks for nothing any more. */
  close(): void {
    this.cache.unacked.delete(this)
    for (const name of this.#watched()) this.unwatch(name)
  }

  /** The stream broke: the client keeps what it has, and comes back. */
  lose(): void {
    this.cache.unacked.delete(this)
    this.cache.lose(this.#watched(), this)
  }

  view(protocol: 'sotw' | 'delta', aggregated: boolean): TypeView {
    const { names, isWildcard } = this.subscription
    return {
      typeUrl: this.cache.type.typeUrl,
      protocol,
      aggregated,
      state: this.#state(),
      version: this.#ackedVersion,
      names: isWildcard ? new Set([...names, ...this.cache.names()]).size : names.size,
      ...(this.#lastAckAt ? { lastAckAt: this.#lastAckAt.toISOString() } : {}),
      ...(this.#nack ? { nack: this.#nack } : {}),
    }
  }

  /** Where each resource stands that the client is to have, or was told to be gone. */
  status(protocol: 'sotw' | 'delta', aggregated: boolean): TypeStatus {
    const resources = Array.from(this.subscription.states(), each => ({
      ...each,
      changedAt: each.resource && this.#cache.changedAt(each.name),
      nack: each.state === 'NACKED' ? this.#nacks?.get(each.name) : undefined,
    }))
    return { typeUrl: this.cache.type.typeUrl, protocol, aggregated, resources }
  }

  overdue(): void {
    this.subscription.giveUpAck()
    this.#owner.flush()
  }

  #noteUnacked(): void {
    const { isOutstanding, isBehind } = this.subscription
    if (isOutstanding && isBehind) this.cache.unacked.add(this, this.#sentAt)
  }

  #watched(): string[] {
    const { names, isWildcard } = this.subscription
    return isWildcard ? [...names, WILDCARD] : [...names]
  }

  #state(): TypeView['state'] {
    const { isOutstanding, isBehind, hasAccepted } = this.subscription
    if (isOutstanding) return 'STALE'
    if (this.#nack) return 'NACKED'
    if (!hasAccepted) return 'NOT_SENT'
    return isBehind ? 'STALE' : 'SYNCED'
  }

  // What the cache tells.

  changed(names: readonly string[]): void {
    for (const name of names) this.subscription.changed(name)
    this.#owner.flush()
    this.#noteUnacked()
  }

  released(): void {
    this.#owner.flush()
  }

  renewalDue(names: readonly string[]): void {
    for (const name of names) this.subscription.renewalDue(name)
    this.#owner.flush()
    this.#noteUnacked()
  }

  ackedRevision(name: string): number {
    return this.subscription.ackedRevision(name)
  }

  pendingState(name: string): PendingState {
    return this.subscription.pendingState(name)
  }

  // What the subscription tells.

  watch(name: string): void {
    this.cache.watch(name, this)
  }

  unwatch(name: string): void {
    this.cache.unwatch(name, this)
  }

  settled(name: string): void {
    this.cache.settled(name, this)
  }
}
