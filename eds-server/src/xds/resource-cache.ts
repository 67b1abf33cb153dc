/** What subscriptions, and all who read for clients, need of the resources of one type, whoever keeps them. */
import { type Resource, versionOf } from './resource.ts'
import type { ResourceType } from './resource-type.ts'
import type { Unacked } from './unacked.ts'
import type { Watcher } from './watcher.ts'

/** The name that stands for every resource of the type. */
export const WILDCARD = '*'

/** Whether the name stands for every resource below it: `xdstp://authority/type/foo/*` (X-24). */
export function isCollection(name: string): boolean {
  return name.startsWith('xdstp:') && name.endsWith('/*')
}

/** The collection that a resource of this name is in; undefined for one that can be in none. */
export function collectionOf(name: string): string | undefined {
  return name.startsWith('xdstp:') ? `${name.slice(0, name.lastIndexOf('/'))}/*` : undefined
}

/** Resources that are sent together, with the version of them all. */
export interface ResourceSet {
  readonly version: string
  readonly resources: readonly Resource[]
}

/** Every resource that is not only for those who ask for it by name, sorted by name. */
export function everythingIn(cache: Pick<ResourceCache, 'names' | 'get'>): ResourceSet {
  const all = [...cache.names()].sort().flatMap(name => cache.get(name) ?? [])
  const resources = all.filter(({ isOnDemand }) => !isOnDemand)
  return { version: versionOf(resources), resources }
}

export interface ResourceCache {
  readonly type: ResourceType
  readonly unacked: Unacked
  /** The revision of the newest change of any name. */
  readonly revision: number
  get(name: string): Resource | undefined
  names(): Iterable<string>
  /** Every resource, sorted by name; the same object until the next change. */
  all(): ResourceSet
  /** The revision of the newest change of the name; 0 for a name that never was. */
  revisionOf(name: string): number
  /** When the resource became what it is, wall time in milliseconds; undefined if there is none. */
  changedAt(name: string): number | undefined
  /** What a SotW client is told of a name that was never set. */
  placeholder(name: string): Resource | undefined
  /**
   * Whether the name, or by WILDCARD all of the type, is withheld from a client that shows this version of an
   * earlier stream (empty: none).
   */
  isHeld(name: string, clientVersion: string): boolean
  /** Before a name, or WILDCARD, is read by somebody who does not watch it: it is then as new as it can be. */
  demand(name: string): void
  /** Registers interest in a name, or in all by WILDCARD. */
  watch(name: string, watcher: Watcher): void
  unwatch(name: string, watcher: Watcher): void
  /** The watcher's stream broke: it counts on, as disconnected, until its node watches again or is given up. */
  lose(names: readonly string[], watcher: Watcher): void
  /** A watcher tells that a client ACKed the name, or by WILDCARD that it may have ACKed any. */
  settled(name: string, watcher: Watcher): void
}
