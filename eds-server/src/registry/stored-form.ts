/**
 * How registrations and tombstones are written down, on disk and in the previous generation: JSON behind a checksum, because
 * the database notices a torn page and not a changed byte (F27). Raise FORMAT when older servers cannot read it.
 */
import { crc32 } from 'node:zlib'
import { type Instance, type Metadata, NO_METADATA } from './instance.ts'
import type { StoredInstance } from './store.ts'
import type { Tombstone } from './tombstones.ts'

export const FORMAT = 1

/** Thrown for bytes that are not what was written. */
export class Damaged extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, { cause })
    this.name = 'Damaged'
  }
}

interface Written extends Omit<Instance, 'lapsed' | 'stalled'> {
  readonly secretHash?: string
}

export function encodeInstance({ instance, secretHash }: StoredInstance): Buffer {
  const { lapsed: _, stalled: __, ...kept } = instance
  const hash =
    secretHash === undefined ? {} : { secretHash: Buffer.from(secretHash, 'latin1').toString('base64') }
  const written: Written = { ...kept, ...hash }
  return seal(JSON.stringify(written))
}

export function decodeInstance(bytes: Buffer): StoredInstance {
  const { secretHash, ...kept } = JSON.parse(unseal(bytes)) as Written
  const names = Object.keys(kept.metadata)
  const metadata: Metadata =
    names.length === 0 ? NO_METADATA : Object.freeze(Object.assign(Object.create(null), kept.metadata))
  return {
    // JSON has no undefined: what was not said is missing.
    instance: { ...kept, canary: kept.canary, ttlMs: kept.ttlMs, metadata, lapsed: false, stalled: false },
    secretHash: secretHash === undefined ? undefined : Buffer.from(secretHash, 'base64').toString('latin1'),
  }
}

export function encodeTombstone(stone: Tombstone): Buffer {
  return seal(JSON.stringify(stone))
}

export function decodeTombstone(bytes: Buffer): Tombstone {
  return JSON.parse(unseal(bytes)) as Tombstone
}

export function seal(text: string): Buffer {
  const body = Buffer.from(text)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(crc32(body))
  return Buffer.concat([head, body])
}

export function unseal(bytes: Buffer): string {
  const body = bytes.subarray(4)
  if (bytes.length < 5 || crc32(body) !== bytes.readUInt32BE(0))
    throw new Damaged('a checksum does not match')
  return body.toString()
}
