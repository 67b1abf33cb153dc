/**
 * Protobuf's wire format, the little of it that the hot paths need: framing of already encoded parts, so that a
 * message that differs from another in one part is joined and not encoded again (design.md 4.9). Everything
 * else is encoded and decoded by the protobuf library.
 */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** `value` (0 to 2^53) as a base-128 varint. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** The key and length that come before a length-delimited field. */
export function fieldHeader(field: number, length: number): Buffer {
  return Buffer.concat([varint(field * 8 + BYTES), varint(length)])
}

export function bytesField(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([fieldHeader(field, value.length), value])
}

export function stringField(field: number, value: string): Buffer {
  return bytesField(field, Buffer.from(value))
}

export function uintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8 + VARINT), varint(value)])
}

export { BYTES, FIXED32, FIXED64, VARINT }
