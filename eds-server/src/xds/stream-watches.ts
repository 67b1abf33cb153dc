/** The types that one stream watches, in make-before-break order, and what they mean for each other. */

import type { Caches } from './cache-groups.ts'
import type { CommonRequest } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { TypeStatus, TypeView } from './node-status.ts'
import type { ResourceCache } from './resource-cache.ts'
import { CLUSTER, RESOURCE_TYPES } from './resource-type.ts'
import type { Protocol } from './stream-context.ts'
import { Watch, type WatchOwner } from './watch.ts'

export class StreamWatches<Request extends CommonRequest> {
  readonly #protocol: Protocol<Request>
  readonly #owner: WatchOwner
  #ordered: readonly Watch<Request>[] = []

  constructor(protocol: Protocol<Request>, owner: WatchOwner) {
    this.#protocol = protocol
    this.#owner = owner
  }

  get ordered(): readonly Watch<Request>[] {
    return this.#ordered
  }

  /** The watch of the cache's type, opened where it is the first request of it. */
  of(cache: ResourceCache): Watch<Request> {
    return this.#find(cache.type.typeUrl) ?? this.#open(cache)
  }

  /** Clusters are to be sent, or were sent and not answered. That there are none is nothing to wait for (F18). */
  get isMaking(): boolean {
    const watch = this.#find(CLUSTER.typeUrl)
    if (!watch) return false
    const { cache, subscription } = watch
    return subscription.isOutstanding || (subscription.isBehind && cache.all().resources.length > 0)
  }

  moved(caches: Caches): void {
    for (const watch of this.#ordered) {
      const cache = caches.get(watch.cache.type.typeUrl)
      if (cache) watch.move(cache)
    }
  }

  /**
   * Sends again what the changed resources wait for, without waiting for their ACK: that comes after.
   * Returns the names of what they wait for.
   */
  wake(watch: Watch<Request>, response: Response): readonly string[] {
    const { awaits } = watch.cache.type
    if (!awaits) return []
    const names = response.changed.flatMap(({ awaited }) => awaited ?? [])
    const watchOfAwaited = this.#find(awaits.typeUrl)
    for (const name of names) watchOfAwaited?.subscription.resend(name)
    return names
  }

  *statuses(aggregated: boolean): Generator<TypeStatus> {
    for (const watch of this.#ordered) yield watch.status(this.#protocol.name, aggregated)
  }

  /** A watch to which an empty response says nothing; to SotW clients of full state it means "delete all". */
  silenceable(): Watch<Request> | undefined {
    const isDelta = this.#protocol.name === 'delta'
    return this.#ordered.find(({ cache }) => isDelta || !cache.type.fullStateInSotw)
  }

  views(aggregated: boolean): TypeView[] {
    return this.#ordered.map(watch => watch.view(this.#protocol.name, aggregated))
  }

  /** There are ten types at most, and most streams have one. */
  #find(typeUrl: string): Watch<Request> | undefined {
    for (const watch of this.#ordered) if (watch.cache.type.typeUrl === typeUrl) return watch
    return undefined
  }

  #open(cache: ResourceCache): Watch<Request> {
    const watch = new Watch<Request>(cache, this.#owner, (source, interest) =>
      this.#protocol.subscribe(source, interest),
    )
    const watches = [...this.#ordered, watch]
    this.#ordered = RESOURCE_TYPES.flatMap(type => watches.filter(each => each.cache.type === type))
    return watch
  }
}
