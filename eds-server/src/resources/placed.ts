/** Resources and where they are: for which group of clients, from which origin, from which file. */
import type { AdmittedResource } from './admission.ts'

/** Of two resources of one name, that of the earlier origin is used. */
export const ORIGINS = ['api', 'files', 'policy'] as const
export type Origin = (typeof ORIGINS)[number]

export interface Placed {
  /** The group of clients that it is for; empty: all that have no resource of this name of their own. */
  readonly group: string
  readonly resource: AdmittedResource
  /** The file, or what else it came by, for messages. */
  readonly source: string
}

export interface Located extends Placed {
  readonly origin: Origin
}

/** Names a resource among those of one origin. Never a path or a property: only ever a map key (F57). */
export function keyOf(group: string, typeUrl: string, name: string): string {
  return JSON.stringify([group, typeUrl, name])
}

export function keyOfPlaced({ group, resource }: Placed): string {
  return keyOf(group, resource.kind.type.typeUrl, resource.name)
}

/** `routes "local"`, with its group where it has one. */
export function shownAs({ group, resource: { kind, name } }: Placed): string {
  return `${kind.plural} ${JSON.stringify(name)}${group === '' ? '' : ` of group ${JSON.stringify(group)}`}`
}
