/**
 * Discovery requests in JSON, field by field: both spellings of each name are taken, and fields that nothing here
 * acts on are passed over, as over gRPC; a real client's node alone has 70 KB of them.
 */
import { invalidArgument, RollcallError } from '../errors.ts'
import type { RequestError } from './discovery-request.ts'
import type { NodeIdentity } from './node-grouping.ts'
import type { StreamLimits } from './stream-context.ts'

export interface FetchRequest {
  /** What the client has; empty for nothing. */
  readonly version: string
  /** Undefined: the client does not say who it is. */
  readonly node: NodeIdentity | undefined
  /** Sorted, each once. */
  readonly names: readonly string[]
  readonly error: RequestError | undefined
}

type Json = Readonly<Record<string, unknown>>

/** Throws ROLLCALL_INVALID_ARGUMENT that names the field. An absent `type_url` means that of the path. */
export function readFetchRequest(body: unknown, typeUrl: string, limits: StreamLimits): FetchRequest {
  const request = objectIn(body, 'body')
  const said = textIn(request, 'type_url') || typeUrl
  if (said !== typeUrl) throw invalidArgument('type_url', said, `${typeUrl}, the type of this path`)
  return {
    version: textIn(request, 'version_info'),
    node: nodeIn(request),
    names: namesIn(request, limits),
    error: errorIn(request),
  }
}

function nodeIn(request: Json): FetchRequest['node'] {
  const given = fieldIn(request, 'node')
  if (given === undefined) return undefined
  const node = objectIn(given, 'node')
  const id = textIn(node, 'id', 'node.')
  if (id === '') return undefined
  const metadata = fieldIn(node, 'metadata')
  const text = (key: string): string | undefined => {
    const value = metadata === undefined ? undefined : valueIn(objectIn(metadata, 'node.metadata'), key)
    return typeof value === 'string' ? value : undefined
  }
  return { id, cluster: textIn(node, 'cluster', 'node.'), metadata: text }
}

function namesIn(request: Json, { names: most, nameBytes }: StreamLimits): string[] {
  const field = 'resource_names'
  const given = fieldIn(request, field) ?? []
  if (!Array.isArray(given)) throw invalidArgument(field, kindOf(given), 'an array of resource names')
  if (given.length > most) throw invalidArgument(field, given.length, `at most ${most} resource names`)
  given.forEach((name, index) => {
    const at = `${field}[${index}]`
    if (typeof name !== 'string') throw invalidArgument(at, kindOf(name), 'a resource name')
    if (Buffer.byteLength(name) > nameBytes) throw invalidArgument(at, name, `at most ${nameBytes} bytes`)
  })
  return [...new Set(given as string[])].sort()
}

/** Over REST no client need say why it refuses something; one that does is believed. */
function errorIn(request: Json): RequestError | undefined {
  const given = fieldIn(request, 'error_detail')
  if (given === undefined) return undefined
  const error = objectIn(given, 'error_detail')
  const code = fieldIn(error, 'code')
  return { code: typeof code === 'number' ? code : 0, message: textIn(error, 'message', 'error_detail.') }
}

function textIn(object: Json, field: string, path = ''): string {
  const value = fieldIn(object, field, path) ?? ''
  if (typeof value !== 'string') throw invalidArgument(`${path}${field}`, kindOf(value), 'text')
  return value
}

/** The value under either spelling; null is the same as nothing. */
function fieldIn(object: Json, field: string, path = ''): unknown {
  const camel = field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const isTwice = camel !== field && Object.hasOwn(object, camel) && Object.hasOwn(object, field)
  if (isTwice) {
    const message = `${path}${field}: is given twice, also as ${camel}`
    throw new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, { field: `${path}${field}` })
  }
  return valueIn(object, Object.hasOwn(object, field) ? field : camel)
}

function valueIn(object: Json, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined
}

function objectIn(value: unknown, field: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw invalidArgument(field, kindOf(value), 'a JSON object')
}

/** Composites are named, not repeated: they may be deep. */
function kindOf(value: unknown): unknown {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : value
}
