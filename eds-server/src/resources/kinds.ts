/** The types that documents may hold: how each is called in paths, and which of its fields is its name. */
import { RollcallError, shown } from '../errors.ts'
import {
  CLUSTER,
  ENDPOINT,
  EXTENSION_CONFIG,
  LISTENER,
  type ResourceType,
  ROUTE,
  RUNTIME,
  SCOPED_ROUTE,
  SECRET,
  VIRTUAL_HOST,
} from '../xds/resource-type.ts'

export interface Kind {
  /** `clusters` in `/v1/resources/clusters/blue`. */
  readonly plural: string
  readonly type: ResourceType
  readonly nameField: string
}

/** In the order in which they are listed. */
export const KINDS: readonly Kind[] = [
  { plural: 'clusters', type: CLUSTER, nameField: 'name' },
  { plural: 'endpoints', type: ENDPOINT, nameField: 'cluster_name' },
  { plural: 'listeners', type: LISTENER, nameField: 'name' },
  { plural: 'routes', type: ROUTE, nameField: 'name' },
  { plural: 'scoped-routes', type: SCOPED_ROUTE, nameField: 'name' },
  { plural: 'virtual-hosts', type: VIRTUAL_HOST, nameField: 'name' },
  { plural: 'secrets', type: SECRET, nameField: 'name' },
  { plural: 'runtime', type: RUNTIME, nameField: 'name' },
  { plural: 'extension-configs', type: EXTENSION_CONFIG, nameField: 'name' },
]

const byTypeUrl = new Map(KINDS.map(kind => [kind.type.typeUrl, kind]))
const byPlural = new Map(KINDS.map(kind => [kind.plural, kind]))

export function kindOf(typeUrl: string): Kind | undefined {
  return byTypeUrl.get(typeUrl)
}

export function kindNamed(plural: string): Kind | undefined {
  return byPlural.get(plural)
}

export function unknownKind(plural: string): RollcallError {
  const known = KINDS.map(each => each.plural).join(', ')
  const message = `type: ${shown(plural)} is no type of resource; there are: ${known}`
  return new RollcallError('ROLLCALL_RESOURCE_UNKNOWN', message, { field: 'type', value: plural })
}
