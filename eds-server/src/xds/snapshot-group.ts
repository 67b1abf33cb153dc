/**
 * The caches of the nodes that share one snapshot. A new snapshot is made before the old one is broken: all
 * that is new or changed is told at once; what others may still refer to goes only when every client has accepted
 * the rest, or has had its time.
 */
import type { Clock } from '../clock.ts'
import type { Caches, Member } from './cache-groups.ts'
import { DeferredRemoval } from './deferred-removal.ts'
import { LinearCache } from './linear-cache.ts'
import type { LinearCacheOptions } from './linear-cache-options.ts'
import { MuxCache } from './mux-cache.ts'
import { type Resource, versionOf } from './resource.ts'
import type { ResourceCache } from './resource-cache.ts'
import { RESOURCE_TYPES, type ResourceType } from './resource-type.ts'
import type { Snapshot } from './snapshot.ts'

export interface SnapshotGroupOptions {
  readonly clock: Clock
  /** By type URL: what the clients get that the snapshot does not have. */
  readonly shared: ReadonlyMap<string, ResourceCache>
  readonly hold: (clientVersion: string) => boolean
}

const NONE: ReadonlyMap<string, Resource> = new Map()
/** Of a client that was told, and accepted, that there is nothing. */
const VERSION_OF_NONE = versionOf([])

export class SnapshotGroup {
  /** By member: the group of nodes that it is of. */
  readonly members: Map<Member, string> = new Map()
  /** Has no snapshot of its own any more, and is to have the common one. */
  isFollowing = false
  readonly #options: SnapshotGroupOptions
  /** The snapshot's own resources, by type URL. */
  readonly #own: ReadonlyMap<string, LinearCache>
  #caches: Caches
  #snapshot: Snapshot | undefined
  readonly #removal: DeferredRemoval

  constructor(options: SnapshotGroupOptions, origin?: SnapshotGroup) {
    this.#options = options
    this.#own = new Map(
      RESOURCE_TYPES.map(type => [
        type.typeUrl,
        new LinearCache(type, this.#cacheOptions(type), origin?.cacheOf(type)),
      ]),
    )
    const awaited = RESOURCE_TYPES.filter(type => type.refersToOthers).map(type => this.cacheOf(type))
    this.#removal = new DeferredRemoval(options.clock, awaited)
    this.#caches = this.#joined()
  }

  get isSet(): boolean {
    return this.#snapshot !== undefined
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  get caches(): Caches {
    return this.#caches
  }

  /** A group that holds the same, with those of the members that are of this group of nodes. */
  fork(group: string): SnapshotGroup {
    const fork = new SnapshotGroup(this.#options, this)
    for (const [member, of] of this.members) {
      if (of !== group) continue
      this.members.delete(member)
      fork.members.set(member, group)
      member.moved(fork.caches)
    }
    return fork
  }

  apply(snapshot: Snapshot): void {
    const isFirst = !this.isSet
    this.#snapshot = snapshot
    const told = RESOURCE_TYPES.map(type => this.#make(type, resourcesOf(snapshot, type)))
    this.#mux()
    for (const tell of told) tell()
    if (isFirst) this.release()
    this.#removal.start()
  }

  release(): void {
    for (const member of [...this.members.keys()]) member.released()
  }

  /** Removes nothing any more. */
  close(): void {
    this.#removal.close()
  }

  /**
   * That nothing of a type was ever there is no reason to take what a client has of before: it cannot be told from a
   * directory that is not mounted or a store that is lost. What was there in this life and is removed is.
   */
  #cacheOptions(type: ResourceType): LinearCacheOptions {
    const { clock, hold } = this.#options
    const isStrange = (clientVersion: string): boolean =>
      this.cacheOf(type).revision === 0 && clientVersion !== '' && clientVersion !== VERSION_OF_NONE
    return {
      clock,
      hold: (_name, clientVersion) => !this.isSet || hold(clientVersion) || isStrange(clientVersion),
    }
  }

  /** Everything but the removals of what is removed last. */
  #make(type: ResourceType, wanted: ReadonlyMap<string, Resource>): () => void {
    const cache = this.cacheOf(type)
    const gone = Array.from(cache.names()).filter(name => !wanted.has(name))
    if (!type.isRemovedLast) return cache.update(wanted.values(), gone)
    this.#removal.leaving(cache, gone)
    return cache.update(wanted.values(), [])
  }

  /** Clients watch the shared cache alone for as long as there is nothing to lay over it. */
  #mux(): void {
    const caches = this.#joined()
    const isSame = [...caches].every(
      ([typeUrl, cache]) => this.#caches.get(typeUrl)?.constructor === cache.constructor,
    )
    if (isSame) return
    this.#caches = caches
    for (const member of this.members.keys()) member.moved(caches)
  }

  #joined(): Caches {
    return new Map(
      RESOURCE_TYPES.map(type => {
        const own = this.cacheOf(type)
        const shared = this.#options.shared.get(type.typeUrl)
        if (!shared) return [type.typeUrl, own]
        return [type.typeUrl, own.revision === 0 ? shared : new MuxCache(own, shared)]
      }),
    )
  }

  /** Of the snapshot's own resources. */
  cacheOf({ typeUrl }: ResourceType): LinearCache {
    const cache = this.#own.get(typeUrl)
    if (!cache) throw new Error(`no cache of ${typeUrl}`)
    return cache
  }
}

function resourcesOf({ resources }: Snapshot, { typeUrl }: ResourceType): ReadonlyMap<string, Resource> {
  return resources.get(typeUrl) ?? NONE
}
