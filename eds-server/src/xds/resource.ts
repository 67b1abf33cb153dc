/**
 * A named, versioned, already encoded xDS message. It is encoded once per version; every stream that sends it
 * shares these bytes.
 */
import { createHash } from 'node:crypto'
import type { ResourceType } from './resource-type.ts'
import { bytesField, stringField } from './wire.ts'

export interface Resource {
  readonly name: string
  /**
   * Content hash: equal content has an equal version on every server and after every restart. The time to
   * live counts as content, so that a changed one is told.
   */
  readonly version: string
  /** The encoded `google.protobuf.Any` that holds the message. */
  readonly any: Buffer
  /** It holds a secret: it is not shown, and neither are words of others that may quote it (F66). */
  readonly isConfidential: boolean
  /** Only for clients that ask for it by name: those that ask for everything are not told of it. */
  readonly isOnDemand: boolean
  /** The name of what a client waits for before it uses this one; undefined: nothing. */
  readonly awaited: string | undefined
  /** How long a client keeps it without being told of it again. Undefined: for ever. */
  readonly ttlMs: number | undefined
}

export interface ResourceOptions {
  /** Default: as its type is. */
  readonly isConfidential?: boolean
  /** Milliseconds. Default: for ever. */
  readonly ttlMs?: number | undefined
}

/** Wraps an encoded message of the given type as a resource; without a time to live it is kept for ever. */
export function createResource(
  type: ResourceType,
  name: string,
  message: Uint8Array,
  { isConfidential = type.isConfidential, ttlMs }: ResourceOptions = {},
): Resource {
  const any = Buffer.concat([stringField(1, type.typeUrl), bytesField(2, message)])
  const version = ttlMs === undefined ? digest(message) : digest(`${digest(message)} for ${ttlMs} ms`)
  const isOnDemand = type.isOnDemand(message)
  return { name, version, any, isConfidential, isOnDemand, awaited: type.awaits?.nameOf(message), ttlMs }
}

/** The version of a set of resources, which does not depend on their order. One resource: its own version. */
export function versionOf(resources: readonly Resource[]): string {
  const [first] = resources
  if (first && resources.length === 1) return first.version
  const parts = resources.map(({ name, version }) => JSON.stringify([name, version]))
  return digest(parts.sort().join('\n'))
}

function digest(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 16)
}
