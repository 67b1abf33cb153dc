/**
 * What every client has, as one answer per request (CSDS, X-64). The answer is joined from bytes that are there
 * already and bounded in size: a fleet's whole configuration does not fit into one message.
 */
import { RollcallError } from '../errors.ts'
import { metadataOf, type NodeMatcher, nodeTest } from './node-matcher.ts'
import type { ClientStatus, Nack, ObservedNode, ResourceStatus } from './node-status.ts'
import { decoder } from './protos.ts'
import { bytesField, fieldHeader, stringField, uintField } from './wire.ts'

export interface ClientStatusRequest {
  readonly node_matchers?: readonly NodeMatcher[]
  readonly exclude_resource_contents?: boolean
}

const REQUEST = 'envoy.service.status.v3.ClientStatusRequest'
const RESPONSE = { CONFIG: 1 } as const
const CLIENT = { NODE: 1, GENERIC: 3 } as const
const NODE = { ID: 1, CLUSTER: 2, METADATA: 3, USER_AGENT: 6, USER_AGENT_VERSION: 7 } as const
const GENERIC = { TYPE_URL: 1, NAME: 2, VERSION: 3, CONFIG: 4, UPDATED: 5, STATUS: 6, ERROR: 8 } as const
const ERROR = { LAST_ATTEMPT: 2, DETAILS: 3, VERSION: 4 } as const
const TIMESTAMP = { SECONDS: 1, NANOS: 2 } as const
const CONFIG_STATUS = { SYNCED: 1, NOT_SENT: 2, STALE: 3, NACKED: 4 } as const

export const decodeRequest: (bytes: Buffer) => ClientStatusRequest = decoder(REQUEST)

/**
 * An encoded `ClientStatusResponse`. Throws ROLLCALL_INVALID_ARGUMENT for matchers that are not known here, and
 * ROLLCALL_LIMIT_REACHED for an answer of more than `bytesMax`.
 */
export function clientStatus(
  clients: Iterable<ClientStatus>,
  request: ClientStatusRequest,
  bytesMax: number,
): Buffer {
  const isWanted = nodeTest(request.node_matchers)
  const hasContents = !request.exclude_resource_contents
  const parts: Buffer[] = []
  let length = 0
  for (const client of clients) {
    if (!isWanted(client.node)) continue
    const config = new Parts(bytesMax - length)
    config.add(bytesField(CLIENT.NODE, nodeOf(client.node)))
    for (const { typeUrl, resources } of client.types()) {
      for (const resource of resources) addGeneric(config, typeUrl, resource, hasContents)
    }
    const header = fieldHeader(RESPONSE.CONFIG, config.length)
    parts.push(header, ...config.parts)
    length += header.length + config.length
  }
  return Buffer.concat(parts, length)
}

class Parts {
  readonly parts: Buffer[] = []
  readonly #most: number
  length = 0

  constructor(most: number) {
    this.#most = most
  }

  add(...parts: readonly Buffer[]): void {
    for (const part of parts) {
      this.parts.push(part)
      this.length += part.length
    }
    if (this.length > this.#most) throw tooLarge()
  }
}

function addGeneric(config: Parts, typeUrl: string, status: ResourceStatus, hasContents: boolean): void {
  const { name, resource, state, changedAt, nack } = status
  const head = [
    stringField(GENERIC.TYPE_URL, typeUrl),
    stringField(GENERIC.NAME, name),
    stringField(GENERIC.VERSION, resource?.version ?? ''),
    uintField(GENERIC.STATUS, CONFIG_STATUS[state]),
    ...(changedAt === undefined ? [] : [bytesField(GENERIC.UPDATED, timestamp(changedAt))]),
    ...(nack ? [bytesField(GENERIC.ERROR, failure(nack, resource?.version ?? ''))] : []),
  ]
  // Never a secret (F66): its name, version and state say enough.
  const any = hasContents && resource && !resource.isConfidential ? resource.any : undefined
  const content = any ? [fieldHeader(GENERIC.CONFIG, any.length), any] : []
  const all = [...head, ...content]
  const length = all.reduce((sum, part) => sum + part.length, 0)
  config.add(fieldHeader(CLIENT.GENERIC, length), ...all)
}

function failure({ message, at }: Nack, version: string): Buffer {
  return Buffer.concat([
    bytesField(ERROR.LAST_ATTEMPT, timestamp(Date.parse(at))),
    stringField(ERROR.DETAILS, message),
    stringField(ERROR.VERSION, version),
  ])
}

function nodeOf(node: ObservedNode): Buffer {
  const { id, cluster, userAgent = '', userAgentVersion = '', metadataStruct } = node
  // What one client sends must not make the answer unreadable for all.
  const metadata = metadataOf(node) === undefined ? undefined : metadataStruct
  return Buffer.concat([
    stringField(NODE.ID, id),
    stringField(NODE.CLUSTER, cluster),
    ...(metadata ? [bytesField(NODE.METADATA, metadata)] : []),
    stringField(NODE.USER_AGENT, userAgent),
    stringField(NODE.USER_AGENT_VERSION, userAgentVersion),
  ])
}

function timestamp(milliseconds: number): Buffer {
  const seconds = Math.floor(milliseconds / 1000)
  return Buffer.concat([
    uintField(TIMESTAMP.SECONDS, seconds),
    uintField(TIMESTAMP.NANOS, Math.round(milliseconds - seconds * 1000) * 1_000_000),
  ])
}

function tooLarge(): RollcallError {
  const message =
    'node_matchers: the answer would be too large; match fewer nodes, or set exclude_resource_contents'
  return new RollcallError('ROLLCALL_LIMIT_REACHED', message, { field: 'node_matchers' })
}
