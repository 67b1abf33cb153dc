/** What the clients of one node group are to have: a consistent set of resources across types. */
import type { Resource } from './resource.ts'

export interface Snapshot {
  /** By type URL, then by name. A type that is absent has no resources. */
  readonly resources: ReadonlyMap<string, ReadonlyMap<string, Resource>>
}

/** Nobody is to have anything but what is shared. */
export const NO_RESOURCES: Snapshot = { resources: new Map() }
