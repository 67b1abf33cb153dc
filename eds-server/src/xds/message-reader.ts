/**
 * gRPC's framing on the way in: messages from a stream of bytes, however it is cut. Envoy repeats its node of 61 KB in
 * every ACK: the field that nobody reads is dropped as it arrives and never gathered.
 */
import { MessageGatherer } from './message-gatherer.ts'
import { Refusal } from './request-check.ts'
import { STATUS } from './stream-context.ts'

/** A byte that says whether the message is compressed, and four of its length. */
export const PREFIX_BYTES = 5

export interface MessageReaderOptions {
  /** Bytes of one message. */
  readonly limit: number
  /** The `grpc-encoding` of the call, if it names one. */
  readonly encoding: string | undefined
  /** The field that the message is read without; undefined to read all. Asked anew for each message. */
  readonly unread: () => number | undefined
  /** Takes a message, which shares memory with the bytes that came: it is read at once and not kept. */
  readonly take: (message: Buffer) => void
}

export class MessageReader {
  readonly #options: MessageReaderOptions
  #prefixBytes = 0
  #isCompressed = 0
  #length = 0
  #gatherer: MessageGatherer | undefined

  constructor(options: MessageReaderOptions) {
    this.#options = options
  }

  /** Whether a message has begun that is not complete. */
  get isWithinMessage(): boolean {
    return this.#prefixBytes > 0
  }

  /** Throws Refusal for what is no gRPC message, or none that is taken here. */
  push(chunk: Buffer): void {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#prefixBytes < PREFIX_BYTES) this.#takePrefix(chunk[offset++] ?? 0)
      else offset = this.#takeBody(chunk, offset)
      // A message may have no bytes at all: then its prefix is all there is.
      if (this.#prefixBytes === PREFIX_BYTES && this.#length === 0) this.#complete(chunk.subarray(0, 0))
    }
  }

  #takePrefix(byte: number): void {
    if (this.#prefixBytes === 0) this.#isCompressed = byte
    else this.#length = this.#length * 256 + byte
    this.#prefixBytes += 1
    if (this.#prefixBytes === PREFIX_BYTES) this.#checkPrefix()
  }

  /** What is announced is refused before anything of it is kept. */
  #checkPrefix(): void {
    const { encoding = 'identity', limit } = this.#options
    if (this.#isCompressed === 1 && encoding !== 'identity') {
      throw new Refusal(STATUS.UNIMPLEMENTED, 'messages are taken uncompressed only: grpc-encoding identity')
    }
    if (this.#isCompressed !== 0) {
      throw new Refusal(STATUS.INTERNAL, `compressed flag ${this.#isCompressed} without a grpc-encoding`)
    }
    if (this.#length > limit) {
      throw new Refusal(
        STATUS.RESOURCE_EXHAUSTED,
        `a message of ${this.#length} bytes is larger than ${limit}`,
      )
    }
  }

  /** Returns the offset of the first byte that is not of this message. */
  #takeBody(chunk: Buffer, offset: number): number {
    if (!this.#gatherer && chunk.length - offset >= this.#length) {
      const end = offset + this.#length
      this.#complete(chunk.subarray(offset, end))
      return end
    }
    this.#gatherer ??= new MessageGatherer(this.#length, this.#options.unread())
    const end = Math.min(chunk.length, offset + this.#gatherer.missing)
    this.#gatherer.push(chunk.subarray(offset, end))
    if (this.#gatherer.missing === 0) this.#complete(this.#gatherer.message())
    return end
  }

  #complete(message: Buffer): void {
    this.#prefixBytes = 0
    this.#length = 0
    this.#gatherer = undefined
    this.#options.take(message)
  }
}
