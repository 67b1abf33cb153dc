/** From the resources of a group to the snapshot that its clients are served; what is unchanged stays identical. */
import type { Resource } from '../xds/resource.ts'
import type { Snapshot } from '../xds/snapshot.ts'
import { COMMON, type Effective } from './effective.ts'
import type { Located } from './placed.ts'

type Names = ReadonlyMap<string, Resource>

/** `before` itself when nothing changed. Undefined for a group without resources of its own. */
export function snapshotOf(
  effective: Effective,
  group: string,
  before: Snapshot | undefined,
): Snapshot | undefined {
  const own = effective.get(group)
  if (!own) return undefined
  const common = effective.get(COMMON) ?? new Map()
  const typeUrls = [...new Set([...common.keys(), ...own.keys()])].sort()
  const resources = new Map(
    typeUrls.map(typeUrl => {
      const known = before?.resources.get(typeUrl)
      const names = merged(known, common.get(typeUrl), own.get(typeUrl))
      return [typeUrl, known && isSame(known, names) ? known : names] as const
    }),
  )
  const isUnchanged =
    before !== undefined &&
    before.resources.size === resources.size &&
    typeUrls.every(typeUrl => before.resources.get(typeUrl) === resources.get(typeUrl))
  return isUnchanged ? before : { resources }
}

/** A later layer hides an earlier one. Where the content is as before, the resource is: its bytes stay shared. */
function merged(
  before: Names | undefined,
  ...layers: readonly (ReadonlyMap<string, Located> | undefined)[]
): Names {
  const names = new Map<string, Resource>()
  for (const layer of layers) {
    for (const [name, { resource }] of layer ?? []) {
      const known = before?.get(name)
      names.set(name, known?.version === resource.resource.version ? known : resource.resource)
    }
  }
  return names
}

function isSame(a: Names, b: Names): boolean {
  return a.size === b.size && Array.from(a).every(([name, resource]) => b.get(name) === resource)
}
