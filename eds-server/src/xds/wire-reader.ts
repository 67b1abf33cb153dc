/** Reads protobuf's wire format field by field, so that a decoder pays only for the fields that it wants. */
import { BYTES, FIXED32, FIXED64, VARINT } from './wire.ts'

/** The bytes are not a protobuf message; `message` says at which offset they stop being one. */
export class MalformedMessage extends Error {
  constructor(what: string, offset: number) {
    super(`${what} at byte ${offset}`)
    this.name = 'MalformedMessage'
  }
}

/**
 * A cursor: `next()` moves to the following field; then exactly one of `bytes`, `string`, `uint` and `skip` takes
 * its value. Each throws MalformedMessage.
 */
export class WireReader {
  readonly #bytes: Buffer
  #offset = 0
  #field = 0
  #type = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The number of the current field. */
  get field(): number {
    return this.#field
  }

  next(): boolean {
    if (this.#offset === this.#bytes.length) return false
    const key = this.#varint()
    this.#field = Math.floor(key / 8)
    this.#type = key % 8
    if (this.#field === 0 || this.#field > 0x1fffffff) throw this.#malformed('no such field')
    return true
  }

  /** The value of a length-delimited field, sharing memory with the message. */
  bytes(): Buffer {
    if (this.#type !== BYTES) throw this.#malformed(`field ${this.#field} is not length-delimited`)
    const start = this.#advance(this.#varint())
    return this.#bytes.subarray(start, this.#offset)
  }

  string(): string {
    if (this.#type !== BYTES) throw this.#malformed(`field ${this.#field} is not length-delimited`)
    const start = this.#advance(this.#varint())
    return this.#bytes.toString('utf8', start, this.#offset)
  }

  /** A varint; above 2^53 it is not exact. */
  uint(): number {
    if (this.#type !== VARINT) throw this.#malformed(`field ${this.#field} is not a varint`)
    return this.#varint()
  }

  skip(): void {
    if (this.#type === VARINT) this.#varint()
    else if (this.#type === BYTES) this.#advance(this.#varint())
    else if (this.#type === FIXED64) this.#advance(8)
    else if (this.#type === FIXED32) this.#advance(4)
    else throw this.#malformed(`wire type ${this.#type}`)
  }

  /** Moves past `length` bytes and returns where they start. */
  #advance(length: number): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) throw this.#malformed(`${length} bytes announced, fewer there`)
    this.#offset = start + length
    return start
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#bytes[this.#offset]
      if (byte === undefined) throw this.#malformed('cut varint')
      this.#offset += 1
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
    throw this.#malformed('varint of more than 10 bytes')
  }

  #malformed(what: string): MalformedMessage {
    return new MalformedMessage(what, this.#offset)
  }
}

/** The text in this field of a message, the last where there are several; undefined if none. Throws MalformedMessage. */
export function textIn(message: Uint8Array, field: number): string | undefined {
  const reader = new WireReader(message)
  let text: string | undefined
  while (reader.next()) {
    if (reader.field === field) text = reader.string()
    else reader.skip()
  }
  return text
}
