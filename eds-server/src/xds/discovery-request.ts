/**
 * Decodes of a discovery request what the server acts on, straight from the wire: Envoy sends its whole node,
 * 61 KB, in every ACK unless told not to, and nobody reads it after the first (design.md 4.9).
 */
import { type NodeIdentity, textInStruct } from './node-grouping.ts'
import { WireReader } from './wire-reader.ts'

export interface Node extends NodeIdentity {
  readonly userAgent: string
  readonly userAgentVersion: string
  /** Its metadata, an encoded `google.protobuf.Struct`; shares memory with the request. */
  readonly metadataStruct?: Buffer | undefined
  readonly features: ClientFeatures
}

/** What a client says that it can do, as far as it matters here. */
export interface ClientFeatures {
  /** Lets a resource go when its time to live is over. */
  readonly ttl: boolean
  /** Takes resources in a wrapper in state of the world, too: the only place for a time to live there. */
  readonly wrapped: boolean
}

/** `error_detail`: its presence makes the request a NACK. */
export interface RequestError {
  readonly code: number
  readonly message: string
}

export interface CommonRequest {
  /** Only when asked for. */
  readonly node: Node | undefined
  readonly typeUrl: string
  readonly nonce: string
  readonly error: RequestError | undefined
}

export interface DiscoveryRequest extends CommonRequest {
  readonly version: string
  readonly names: readonly string[]
}

export interface DeltaDiscoveryRequest extends CommonRequest {
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  readonly initialVersions: ReadonlyMap<string, string>
}

/** Field numbers of `DiscoveryRequest` and `DeltaDiscoveryRequest`. */
export const SOTW_FIELDS = { VERSION: 1, NODE: 2, NAMES: 3, TYPE_URL: 4, NONCE: 5, ERROR: 6 } as const
export const DELTA_FIELDS = {
  NODE: 1,
  TYPE_URL: 2,
  SUBSCRIBE: 3,
  UNSUBSCRIBE: 4,
  VERSIONS: 5,
  NONCE: 6,
  ERROR: 7,
} as const
const NODE = { ID: 1, CLUSTER: 2, METADATA: 3, USER_AGENT: 6, USER_AGENT_VERSION: 7, FEATURES: 10 } as const
const ENTRY = { KEY: 1, VALUE: 2 } as const
const STATUS = { CODE: 1, MESSAGE: 2 } as const

/** Kept of what a client says to what it refuses. */
const MESSAGE_BYTES = 4096
const TTL_FEATURE = 'xds.config.supports-resource-ttl'
/** Envoy's list of features, which gRPC follows, has the first; its text on the protocol has the second. */
const WRAPPED_FEATURES: readonly string[] = [
  'xds.config.resource-in-sotw',
  'xds.config.supports-resource-in-sotw',
]

const NO_VERSIONS: ReadonlyMap<string, string> = new Map()

/** Throws MalformedMessage. */
export function decodeDiscoveryRequest(bytes: Uint8Array, wantsNode: boolean): DiscoveryRequest {
  const reader = new WireReader(bytes)
  const names: string[] = []
  let node: Node | undefined
  let error: RequestError | undefined
  let version = ''
  let typeUrl = ''
  let nonce = ''
  while (reader.next()) {
    if (reader.field === SOTW_FIELDS.NODE && wantsNode) node = decodeNode(reader.bytes())
    else if (reader.field === SOTW_FIELDS.NAMES) names.push(reader.string())
    else if (reader.field === SOTW_FIELDS.VERSION) version = reader.string()
    else if (reader.field === SOTW_FIELDS.TYPE_URL) typeUrl = reader.string()
    else if (reader.field === SOTW_FIELDS.NONCE) nonce = reader.string()
    else if (reader.field === SOTW_FIELDS.ERROR) error = decodeError(reader.bytes())
    else reader.skip()
  }
  return { version, node, names, typeUrl, nonce, error }
}

/** Throws MalformedMessage. */
export function decodeDeltaDiscoveryRequest(bytes: Uint8Array, wantsNode: boolean): DeltaDiscoveryRequest {
  const reader = new WireReader(bytes)
  const subscribe: string[] = []
  const unsubscribe: string[] = []
  let versions: Map<string, string> | undefined
  let node: Node | undefined
  let error: RequestError | undefined
  let typeUrl = ''
  let nonce = ''
  while (reader.next()) {
    if (reader.field === DELTA_FIELDS.NODE && wantsNode) node = decodeNode(reader.bytes())
    else if (reader.field === DELTA_FIELDS.TYPE_URL) typeUrl = reader.string()
    else if (reader.field === DELTA_FIELDS.SUBSCRIBE) subscribe.push(reader.string())
    else if (reader.field === DELTA_FIELDS.UNSUBSCRIBE) unsubscribe.push(reader.string())
    else if (reader.field === DELTA_FIELDS.VERSIONS) {
      const [name, version] = decodeEntry(reader.bytes())
      versions = (versions ?? new Map<string, string>()).set(name, version)
    } else if (reader.field === DELTA_FIELDS.NONCE) nonce = reader.string()
    else if (reader.field === DELTA_FIELDS.ERROR) error = decodeError(reader.bytes())
    else reader.skip()
  }
  return { node, typeUrl, subscribe, unsubscribe, initialVersions: versions ?? NO_VERSIONS, nonce, error }
}

/** The metadata stays encoded: it is read only where it decides the group of the node. */
function decodeNode(bytes: Buffer): Node {
  const reader = new WireReader(bytes)
  const texts = { id: '', cluster: '', userAgent: '', userAgentVersion: '' }
  const features = { ttl: false, wrapped: false }
  let struct: Buffer | undefined
  while (reader.next()) {
    if (reader.field === NODE.ID) texts.id = reader.string()
    else if (reader.field === NODE.CLUSTER) texts.cluster = reader.string()
    else if (reader.field === NODE.METADATA) struct = reader.bytes()
    else if (reader.field === NODE.USER_AGENT) texts.userAgent = reader.string()
    else if (reader.field === NODE.USER_AGENT_VERSION) texts.userAgentVersion = reader.string()
    else if (reader.field === NODE.FEATURES) {
      const feature = reader.string()
      features.ttl ||= feature === TTL_FEATURE
      features.wrapped ||= WRAPPED_FEATURES.includes(feature)
    } else reader.skip()
  }
  const metadataStruct = struct
  if (!metadataStruct) return { ...texts, features }
  return { ...texts, features, metadataStruct, metadata: key => textInStruct(metadataStruct, key) }
}

/** An entry of a map of texts: its key and its value. */
function decodeEntry(bytes: Buffer): [string, string] {
  const reader = new WireReader(bytes)
  let key = ''
  let value = ''
  while (reader.next()) {
    if (reader.field === ENTRY.KEY) key = reader.string()
    else if (reader.field === ENTRY.VALUE) value = reader.string()
    else reader.skip()
  }
  return [key, value]
}

function decodeError(bytes: Buffer): RequestError {
  const reader = new WireReader(bytes)
  let code = 0
  let message = ''
  while (reader.next()) {
    if (reader.field === STATUS.CODE) code = reader.uint()
    // Kept and shown as long as the refusal stands.
    else if (reader.field === STATUS.MESSAGE) message = reader.bytes().subarray(0, MESSAGE_BYTES).toString()
    else reader.skip()
  }
  return { code, message }
}
