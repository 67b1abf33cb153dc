/** What one client has, for people: each resource with its state and as JSON, secrets redacted (F66). */
import { RollcallError, shown } from './errors.ts'
import { shownDocument } from './resources/any-json.ts'
import { kindNamed, kindOf, unknownKind } from './resources/kinds.ts'
import type { ClientStatus, ResourceStatus, TypeStatus } from './xds/node-status.ts'

/** Of the encoded resources of one answer; as JSON they are several times that. */
const BYTES_MAX = 16 * 1024 * 1024

/**
 * The clients that call themselves so, by connection. Throws ROLLCALL_NODE_UNKNOWN, ROLLCALL_RESOURCE_UNKNOWN for a
 * type that there is not, and ROLLCALL_LIMIT_REACHED.
 */
export function clientConfig(
  clients: Iterable<ClientStatus>,
  node: string,
  type: string | undefined,
): object {
  const typeUrl = type === undefined ? undefined : kindNamed(type)?.type.typeUrl
  if (type !== undefined && typeUrl === undefined) throw unknownKind(type)
  const found = Array.from(clients).filter(client => client.node.id === node)
  if (found.length === 0) {
    const message = `no client with the id ${shown(node)} is connected`
    throw new RollcallError('ROLLCALL_NODE_UNKNOWN', message, { field: 'node', value: node })
  }
  const view = resourceViews(type)
  return {
    node,
    clients: found.map(client => ({
      cluster: client.node.cluster,
      peer: client.peer,
      connectedAt: client.connectedAt.toISOString(),
      types: Array.from(client.types())
        .filter(each => typeUrl === undefined || each.typeUrl === typeUrl)
        .map(each => typeView(each, view)),
    })),
  }
}

function typeView(
  { typeUrl, protocol, aggregated, resources }: TypeStatus,
  view: typeof resourceView,
): object {
  const type = kindOf(typeUrl)?.plural
  return { ...(type && { type }), typeUrl, protocol, aggregated, resources: resources.map(view) }
}

/** The same view each time, until the answer would be too large. */
function resourceViews(type: string | undefined): typeof resourceView {
  let bytes = 0
  return status => {
    bytes += status.resource?.any.length ?? 0
    if (bytes <= BYTES_MAX) return resourceView(status)
    const advice = type === undefined ? '; ask for one type' : ''
    const message = `type: the resources of this client are more than ${BYTES_MAX} bytes${advice}`
    throw new RollcallError('ROLLCALL_LIMIT_REACHED', message, { field: 'type' })
  }
}

function resourceView({ name, resource, state, changedAt, nack }: ResourceStatus): object {
  return {
    name,
    state,
    version: resource?.version ?? '',
    ...(changedAt !== undefined && { lastUpdated: new Date(changedAt).toISOString() }),
    ...(nack && { error: { message: nack.message, code: nack.code, at: nack.at } }),
    ...(resource && { resource: shownDocument(resource) }),
  }
}
