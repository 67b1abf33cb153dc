/** The types that one stream watches, in make-before-break order, and what they mean for each other. */
import type { CommonRequest } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { LinearCache } from './linear-cache.ts'
import type { TypeView } from './node-status.ts'
import type { Protocol, StreamContext } from './stream-context.ts'
import { Watch, type WatchOwner } from './watch.ts'

export class StreamWatches<Request extends CommonRequest> {
  readonly #protocol: Protocol<Request>
  readonly #context: StreamContext
  readonly #owner: WatchOwner
  readonly #byType = new Map<string, Watch<Request>>()
  #ordered: readonly Watch<Request>[] = []

  constructor(protocol: Protocol<Request>, context: StreamContext, owner: WatchOwner) {
    this.#protocol = protocol
    this.#context = context
    this.#owner = owner
  }

  get ordered(): readonly Watch<Request>[] {
    return this.#ordered
  }

  /** The watch of the cache's type, opened where it is the first request of it. */
  of(cache: LinearCache): Watch<Request> {
    return this.#byType.get(cache.type.typeUrl) ?? this.#open(cache)
  }

  /** Sends again what the changed resources wait for, without waiting for their ACK: that comes after. */
  wake(watch: Watch<Request>, response: Response): void {
    const awaits = watch.cache.type.awaits
    const awaited = awaits && this.#byType.get(awaits.typeUrl)
    if (!awaited) return
    for (const resource of response.changed) {
      const name = awaits.nameOf(resource.any)
      if (name !== undefined) awaited.subscription.resend(name)
    }
  }

  /** A watch to which an empty response says nothing; to SotW clients of full state it means "delete all". */
  silenceable(): Watch<Request> | undefined {
    const isDelta = this.#protocol.name === 'delta'
    return this.#ordered.find(({ cache }) => isDelta || !cache.type.fullStateInSotw)
  }

  views(aggregated: boolean): TypeView[] {
    return this.#ordered.map(watch => watch.view(this.#protocol.name, aggregated))
  }

  #open(cache: LinearCache): Watch<Request> {
    const watch = new Watch<Request>(cache, this.#owner, (source, interest) =>
      this.#protocol.subscribe(source, interest),
    )
    this.#byType.set(cache.type.typeUrl, watch)
    const order = [...this.#context.caches.keys()]
    this.#ordered = order.flatMap(typeUrl => this.#byType.get(typeUrl) ?? [])
    return watch
  }
}
