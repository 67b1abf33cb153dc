/**
 * What the clients of each group get when all origins are put together, and which references in it lead nowhere.
 * Pure. A group has the common resources and its own, of which one hides the common one of its name.
 */

import { keyOf, keyOfPlaced, type Located, ORIGINS, type Origin, type Placed } from './placed.ts'
import type { Reference } from './references.ts'

export type Tables = Readonly<Record<Origin, ReadonlyMap<string, Placed>>>

/** The winners by group, type URL and name. */
export type Effective = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Located>>>

export interface Dangling {
  /** What refers. */
  readonly owner: Located
  readonly reference: Reference
}

/** The group of every client that has no resources of its own. */
export const COMMON = ''

/** `without`: keys of API resources to leave out. */
export function effectiveOf(tables: Tables, without: ReadonlySet<string>): Effective {
  const groups = new Map<string, Map<string, Map<string, Located>>>([[COMMON, new Map()]])
  for (const origin of ORIGINS) {
    for (const [key, placed] of tables[origin]) {
      if (origin === 'api' && without.has(key)) continue
      const types = groups.get(placed.group) ?? new Map<string, Map<string, Located>>()
      groups.set(placed.group, types)
      const { kind, name } = placed.resource
      const names = types.get(kind.type.typeUrl) ?? new Map<string, Located>()
      types.set(kind.type.typeUrl, names)
      if (!names.has(name)) names.set(name, { ...placed, origin })
    }
  }
  return groups
}

/** Every reference that leads nowhere. A group only adds names, so what the common resources find they find there too. */
export function danglingIn(effective: Effective): Dangling[] {
  const isThere = (group: string, { type, name }: Reference): boolean =>
    [group, COMMON].some(each => effective.get(each)?.get(type.typeUrl)?.has(name))
  return Array.from(locatedIn(effective)).flatMap(owner =>
    owner.resource.references
      .filter(reference => !isThere(owner.group, reference))
      .map(reference => ({ owner, reference })),
  )
}

export function* locatedIn(effective: Effective): Generator<Located> {
  for (const types of effective.values()) {
    for (const names of types.values()) yield* names.values()
  }
}

export function tableOf(placed: Iterable<Placed>): Map<string, Placed> {
  return new Map(Array.from(placed, each => [keyOfPlaced(each), each]))
}

/** True when the resource that is referred to is one of these. */
export function isTarget({ owner, reference }: Dangling, table: ReadonlyMap<string, Placed>): boolean {
  const { type, name } = reference
  return [owner.group, COMMON].some(group => table.has(keyOf(group, type.typeUrl, name)))
}
