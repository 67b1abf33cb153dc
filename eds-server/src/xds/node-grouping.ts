/** Which group of nodes a client is in: the clients of one group are given the same resources. */
import { textIn, WireReader } from './wire-reader.ts'

/** Who a client says it is; any text, so it is only ever a map's key (F57). */
export interface NodeIdentity {
  readonly id: string
  readonly cluster: string
  /** The text under this key of its metadata; undefined if there is none. Throws MalformedMessage. */
  readonly metadata?: (key: string) => string | undefined
}

/** `id`, `cluster`, or `metadata:` and a key. */
export type NodeGrouping = 'id' | 'cluster' | `metadata:${string}`

export const DEFAULT_GROUPING: NodeGrouping = 'cluster'
/** The group of every node that has no snapshot of its own. */
export const COMMON_GROUP = ''
const METADATA = 'metadata:'

/** Undefined for text that is none. */
export function parseGrouping(text: string): NodeGrouping | undefined {
  if (text === 'id' || text === 'cluster') return text
  const isKey = text.startsWith(METADATA) && text.length > METADATA.length
  return isKey ? (text as NodeGrouping) : undefined
}

export function groupOf(grouping: NodeGrouping, node: NodeIdentity): string {
  if (grouping === 'id' || grouping === 'cluster') return node[grouping]
  return node.metadata?.(grouping.slice(METADATA.length)) ?? COMMON_GROUP
}

const STRUCT_FIELDS = 1
const ENTRY = { KEY: 1, VALUE: 2 } as const
const STRING_VALUE = 3

/** The text under a key of an encoded `google.protobuf.Struct`. Throws MalformedMessage. */
export function textInStruct(struct: Uint8Array, key: string): string | undefined {
  const reader = new WireReader(struct)
  let found: string | undefined
  while (reader.next()) {
    if (reader.field !== STRUCT_FIELDS) reader.skip()
    else found = textInEntry(reader.bytes(), key) ?? found
  }
  return found
}

function textInEntry(entry: Uint8Array, key: string): string | undefined {
  const reader = new WireReader(entry)
  let isWanted = key === ''
  let value: Buffer | undefined
  while (reader.next()) {
    if (reader.field === ENTRY.KEY) isWanted = reader.string() === key
    else if (reader.field === ENTRY.VALUE) value = reader.bytes()
    else reader.skip()
  }
  return isWanted && value ? textIn(value, STRING_VALUE) : undefined
}
