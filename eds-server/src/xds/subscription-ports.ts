/** What a subscription is connected to, and what it decides to say. */

import type { Resource } from './resource.ts'
import type { ResourceCache, ResourceSet } from './resource-cache.ts'

/** Told of what the subscription begins and ceases to watch, and of what the client has accepted. */
export interface Interest {
  /** Whether the client can be told a time to live. */
  readonly takesTtl: boolean
  watch(name: string): void
  unwatch(name: string): void
  /** WILDCARD: everything that is watched. */
  settled(name: string): void
}

export type Source = Pick<
  ResourceCache,
  'type' | 'get' | 'names' | 'all' | 'revision' | 'revisionOf' | 'placeholder' | 'isHeld'
>

export interface Plan {
  readonly resources: readonly Resource[]
  /** Told by name and version alone, for their time to live. */
  readonly renewed?: readonly Resource[]
  readonly removed: readonly string[]
  readonly unresolved?: readonly string[]
  readonly set?: ResourceSet
  /** Present when this is the full state: its revision. */
  readonly floor?: number
}
