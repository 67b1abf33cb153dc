/**
 * Gathers one protobuf message that comes in pieces, without one of its top-level fields. Memory is in proportion to
 * what has come and was kept, whatever length was announced.
 */
import { BYTES, FIXED32, FIXED64, VARINT } from './wire.ts'

const FIRST_BYTES = 256
const LONGEST_VARINT = 10

/** Where in the message the next byte is. */
const AT = { KEY: 0, LENGTH: 1, VARINT: 2, VALUE: 3 } as const

export class MessageGatherer {
  readonly #length: number
  readonly #unread: number | undefined
  #missing: number
  #kept: Buffer = Buffer.alloc(0)
  #keptBytes = 0
  #at: (typeof AT)[keyof typeof AT] = AT.KEY
  /** Where the current field begins in what is kept. */
  #fieldStart = 0
  #field = 0
  /** Of the value that the next bytes are of. */
  #valueBytes = 0
  #isKept = true
  #varint = 0
  #varintBytes = 0

  /** `length` in bytes; `unread` is the number of the field to leave out, undefined for none. */
  constructor(length: number, unread: number | undefined) {
    this.#length = length
    this.#missing = length
    this.#unread = unread
    if (unread === undefined) this.#keepTheRest()
  }

  /** Bytes of the message that have not come yet. */
  get missing(): number {
    return this.#missing
  }

  /** What was kept, once all has come. */
  message(): Buffer {
    return this.#kept.subarray(0, this.#keptBytes)
  }

  /** Takes the next bytes, not more than are missing. */
  push(bytes: Buffer): void {
    let offset = 0
    while (offset < bytes.length) {
      const count = this.#at === AT.VALUE ? Math.min(this.#valueBytes, bytes.length - offset) : 1
      if (this.#isKept) this.#keep(bytes, offset, offset + count)
      this.#missing -= count
      if (this.#at === AT.VALUE) this.#tookValue(count)
      else this.#tookHeader(bytes[offset] ?? 0)
      offset += count
    }
  }

  #tookValue(count: number): void {
    this.#valueBytes -= count
    if (this.#valueBytes === 0) this.#beginField()
  }

  /** One byte of a key, a length or a varint value. */
  #tookHeader(byte: number): void {
    this.#varint += (byte & 127) * 128 ** this.#varintBytes
    this.#varintBytes += 1
    if (byte > 127) {
      // The decoder reads what is no message, and says so.
      if (this.#varintBytes === LONGEST_VARINT) this.#keepTheRest()
      return
    }
    const value = this.#varint
    this.#varint = 0
    this.#varintBytes = 0
    if (this.#at === AT.KEY) this.#tookKey(value)
    else if (this.#at === AT.LENGTH) this.#tookLength(value)
    else this.#beginField()
  }

  #tookKey(key: number): void {
    const type = key % 8
    this.#field = Math.floor(key / 8)
    if (this.#field === 0) this.#keepTheRest()
    else if (type === BYTES) this.#at = AT.LENGTH
    else if (type === VARINT) this.#at = AT.VARINT
    else if (type === FIXED64) this.#expectValue(8)
    else if (type === FIXED32) this.#expectValue(4)
    else this.#keepTheRest()
  }

  #tookLength(length: number): void {
    // Only what is certainly well-formed is left out.
    if (length > this.#missing) {
      this.#keepTheRest()
      return
    }
    if (this.#field === this.#unread) {
      this.#isKept = false
      this.#keptBytes = this.#fieldStart
    }
    this.#expectValue(length)
  }

  #expectValue(bytes: number): void {
    this.#at = AT.VALUE
    this.#valueBytes = bytes
    if (bytes === 0) this.#beginField()
  }

  #beginField(): void {
    this.#at = AT.KEY
    this.#isKept = true
    this.#fieldStart = this.#keptBytes
  }

  #keepTheRest(): void {
    this.#isKept = true
    this.#at = AT.VALUE
    this.#valueBytes = Number.POSITIVE_INFINITY
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const needed = this.#keptBytes + to - from
    if (needed > this.#kept.length) {
      const room = Math.max(needed, 2 * this.#kept.length, FIRST_BYTES)
      const grown = Buffer.allocUnsafe(Math.min(room, this.#length))
      this.#kept.copy(grown, 0, 0, this.#keptBytes)
      this.#kept = grown
    }
    bytes.copy(this.#kept, this.#keptBytes, from, to)
    this.#keptBytes = needed
  }
}
