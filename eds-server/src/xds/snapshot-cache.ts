/**
 * The resources of every group of nodes: a snapshot of its own, or the common one. Groups without a snapshot of
 * their own cost nothing, however many their clients name. A group that gets its first begins as a copy of the
 * common one, so its connected clients go from one to the other as from one snapshot to the next.
 */
import type { Clock } from '../clock.ts'
import type { CacheGroups, Caches, Member } from './cache-groups.ts'
import { COMMON_GROUP, groupOf, type NodeGrouping, type NodeIdentity } from './node-grouping.ts'
import type { ResourceCache } from './resource-cache.ts'
import { RESOURCE_TYPES, type ResourceType } from './resource-type.ts'
import type { Snapshot } from './snapshot.ts'
import { SnapshotGroup } from './snapshot-group.ts'

export interface SnapshotCacheOptions {
  readonly clock: Clock
  readonly grouping: NodeGrouping
  /** Caches that all groups share, for what their snapshots do not have. */
  readonly shared?: readonly ResourceCache[]
  /** Whether a client that shows this version of an earlier stream is told nothing yet. Default: no. */
  readonly hold?: (clientVersion: string) => boolean
}

export class SnapshotCache implements CacheGroups {
  readonly types: readonly ResourceType[] = RESOURCE_TYPES
  readonly #grouping: NodeGrouping
  readonly #common: SnapshotGroup
  /** Those with caches of their own. */
  readonly #groups = new Map<string, SnapshotGroup>()

  constructor({ clock, grouping, shared = [], hold = () => false }: SnapshotCacheOptions) {
    this.#grouping = grouping
    const byType = new Map(shared.map(cache => [cache.type.typeUrl, cache]))
    this.#common = new SnapshotGroup({ clock, shared: byType, hold })
  }

  /** Whether the common snapshot was set: before that, clients without a snapshot of their own are told nothing. */
  get isSet(): boolean {
    return this.#common.isSet
  }

  /**
   * What the clients of the group are to have from now on; `''`: those of every group that has no snapshot of its
   * own. Equal resources are not sent again.
   */
  set(group: string, snapshot: Snapshot): void {
    if (group !== COMMON_GROUP) {
      const own = this.#groups.get(group) ?? this.#fork(group)
      own.isFollowing = false
      own.apply(snapshot)
      return
    }
    this.#common.apply(snapshot)
    for (const each of this.#groups.values()) if (each.isFollowing) each.apply(snapshot)
  }

  /** The clients of the group are to have what those without a snapshot of their own have. */
  clear(group: string): void {
    const own = this.#groups.get(group)
    if (!own) return
    own.isFollowing = true
    const { snapshot } = this.#common
    if (snapshot) own.apply(snapshot)
    this.#dropUnused(group, own)
  }

  /** Offers again what was withheld. */
  release(): void {
    for (const each of [this.#common, ...this.#groups.values()]) each.release()
  }

  cachesFor(node: NodeIdentity): Caches {
    return (this.#groups.get(this.#groupOf(node)) ?? this.#common).caches
  }

  join(node: NodeIdentity, member: Member): () => void {
    const group = this.#groupOf(node)
    const joined = this.#groups.get(group) ?? this.#common
    joined.members.set(member, group)
    return () => {
      this.#common.members.delete(member)
      const own = this.#groups.get(group)
      own?.members.delete(member)
      if (own) this.#dropUnused(group, own)
    }
  }

  /** Ends all waiting. */
  close(): void {
    for (const each of [this.#common, ...this.#groups.values()]) each.close()
  }

  #groupOf(node: NodeIdentity): string {
    return groupOf(this.#grouping, node)
  }

  #fork(group: string): SnapshotGroup {
    const own = this.#common.fork(group)
    this.#groups.set(group, own)
    return own
  }

  #dropUnused(group: string, own: SnapshotGroup): void {
    if (!own.isFollowing || own.members.size > 0) return
    own.close()
    this.#groups.delete(group)
  }
}
