/** Where a client finds its caches: clients of one group share them, and may be given others while connected. */
import type { NodeIdentity } from './node-grouping.ts'
import type { ResourceCache } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'

/** By type URL, in make-before-break order. */
export type Caches = ReadonlyMap<string, ResourceCache>

/** A client that watches, and must watch other caches when its group has others. */
export interface Member {
  /** The new caches hold the same as the old ones, with the same revisions. */
  moved(caches: Caches): void
  /** What was withheld may be told now. */
  released(): void
}

export interface CacheGroups {
  /** The types that are served, in make-before-break order. */
  readonly types: readonly ResourceType[]
  /** The caches of a client that does not watch: as they are at the moment. */
  cachesFor(node: NodeIdentity): Caches
  /** Tells the member when its caches are replaced, until the returned function is called. */
  join(node: NodeIdentity, member: Member): () => void
}
