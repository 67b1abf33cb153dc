/** The transport of a discovery stream over one HTTP/2 stream: gRPC's framing, status and deadline, and nothing more. */
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Clock, Timer } from '../clock.ts'
import { RESPONSE_HEADERS, statusTrailers, timeoutMs } from './grpc-headers.ts'
import { MessageReader } from './message-reader.ts'
import { Refusal } from './request-check.ts'
import { STATUS, type Transport } from './stream-context.ts'

/** What a call is connected to. */
export interface CallReceiver {
  /** The field of a request that is no longer read; undefined while all are. */
  readonly unreadField: number | undefined
  receive(message: Buffer): void
  drained(): void
  /** The client has half-closed the call. */
  left(): void
  /** The call is over; after `left` it says nothing new. */
  closed(): void
}

export interface CallOptions {
  readonly headers: IncomingHttpHeaders
  readonly peer: string
  /** Bytes of one request. */
  readonly requestBytes: number
  readonly clock: Clock
}

/** Timers fire at once beyond this; and a stream that long has no deadline. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** What clients get to close their side when they have the status. */
const LINGER_MS = 1000
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false }
const TRAILERS_ONLY = { endStream: true, sendDate: false }

/** Joins a call to the receiver that `open` makes for its transport. */
export function connect(
  stream: ServerHttp2Stream,
  options: CallOptions,
  open: (transport: Transport) => CallReceiver,
): void {
  const transport = new GrpcTransport(stream, options)
  transport.start(open(transport), options)
}

class GrpcTransport implements Transport {
  readonly peer: string
  readonly #stream: ServerHttp2Stream
  readonly #clock: Clock
  #receiver: CallReceiver | undefined
  /** Of the call's deadline; then of its end. */
  #timer: Timer | undefined
  #untaken = 0
  #hasResponded = false
  #trailers: OutgoingHttpHeaders | undefined

  constructor(stream: ServerHttp2Stream, { peer, clock }: CallOptions) {
    this.#stream = stream
    this.#clock = clock
    this.peer = peer
  }

  start(receiver: CallReceiver, { headers, requestBytes: limit }: CallOptions): void {
    const stream = this.#stream
    this.#receiver = receiver
    const encoding = headers['grpc-encoding']
    const reader = new MessageReader({
      limit,
      encoding: encoding === undefined ? undefined : String(encoding),
      unread: () => receiver.unreadField,
      take: message => receiver.receive(message),
    })
    stream.on('data', (chunk: Buffer) => this.#read(reader, chunk))
    stream.on('end', () => this.#halfClosed(reader))
    stream.on('wantTrailers', () => this.#sendTrailers())
    stream.on('close', () => {
      this.#timer?.cancel()
      receiver.closed()
    })
    this.#limitTime(timeoutMs(headers))
  }

  write(message: Buffer): boolean {
    if (this.#trailers) return false
    if (!this.#hasResponded) {
      if (this.#isOver) return false
      this.#hasResponded = true
      this.#stream.respond(RESPONSE_HEADERS, WITH_TRAILERS)
    }
    this.#untaken += 1
    this.#stream.write(message, this.#taken)
    return false
  }

  end(code: number, details: string, isStalled = false): void {
    const stream = this.#stream
    if (this.#isOver) return
    this.#timer?.cancel()
    this.#trailers = statusTrailers(code, details)
    if (isStalled) {
      // A status would wait behind what the client does not take. gRPC clients read this as UNAVAILABLE.
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
    } else if (this.#hasResponded) {
      stream.end()
    } else {
      stream.respond({ ...RESPONSE_HEADERS, ...this.#trailers }, TRAILERS_ONLY)
      this.#letGo()
    }
  }

  /** HTTP/2 flow control has let a message go; a stream that broke says so by its own events. */
  readonly #taken = (error?: Error | null): void => {
    this.#untaken -= 1
    if (this.#untaken === 0 && !error) this.#receiver?.drained()
  }

  #read(reader: MessageReader, chunk: Buffer): void {
    if (this.#trailers) return
    try {
      reader.push(chunk)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#refuse(error.code, error.message)
    }
  }

  #halfClosed(reader: MessageReader): void {
    // A call that was reset ends too, and is not left for that.
    if (this.#isOver) return
    if (reader.isWithinMessage) this.#refuse(STATUS.INVALID_ARGUMENT, 'the last message is incomplete')
    else {
      this.#receiver?.left()
      this.end(STATUS.OK, '')
    }
  }

  #limitTime(limitMs: number | undefined): void {
    if (limitMs === undefined || limitMs > LONGEST_TIMER_MS) return
    if (Number.isNaN(limitMs)) this.#refuse(STATUS.INTERNAL, 'grpc-timeout is no timeout')
    else {
      const late = (): void => this.#refuse(STATUS.DEADLINE_EXCEEDED, 'the deadline of the call has passed')
      this.#timer = this.#clock.setTimer(limitMs, late)
    }
  }

  #refuse(code: number, details: string): void {
    this.#receiver?.closed()
    this.end(code, details)
  }

  /** HTTP/2 refuses what is said on a stream that was reset. */
  get #isOver(): boolean {
    return this.#trailers !== undefined || this.#stream.closed || this.#stream.destroyed
  }

  #sendTrailers(): void {
    if (this.#stream.closed || this.#stream.destroyed) return
    this.#stream.sendTrailers(this.#trailers ?? statusTrailers(STATUS.INTERNAL, 'ended without a status'))
    this.#letGo()
  }

  /**
   * Clients close their side when they have the status. One that does not is told that nothing of it is read any more;
   * not at once, because HTTP/2 drops what it has not sent of a stream that is reset.
   */
  #letGo(): void {
    this.#timer = this.#clock.setTimer(LINGER_MS, () => this.#stream.close(constants.NGHTTP2_NO_ERROR))
  }
}
