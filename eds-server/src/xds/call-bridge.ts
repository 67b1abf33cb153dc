/**
 * Hands the calls that are not of discovery to the gRPC library, which does all but discovery: each is passed through,
 * with headers, bytes, trailers, backpressure and resets, over an HTTP/2 connection within this process. Each client
 * connection has one of its own, so that a call which is not read holds up nobody else's.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { type Duplex, duplexPair } from 'node:stream'
import type { Logger } from 'pino'

const {
  NGHTTP2_CANCEL,
  NGHTTP2_FLAG_END_STREAM,
  NGHTTP2_NO_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_REFUSED_STREAM,
} = constants
const HAS_TRAILERS = { waitForTrailers: true, sendDate: false }
const HAS_NONE = { endStream: true, sendDate: false }

/**
 * What is under way in each direction: more than HTTP/2's window of a connection, 64 KiB. HTTP/2 of Node reads nothing
 * while it waits for a write to be taken, so two ends that both wait would wait for ever.
 */
const PIPE_BYTES = 1024 * 1024

export class CallBridge {
  readonly #session: ClientHttp2Session
  readonly #logger: Logger

  /** `accept` is given the far end of the connection. */
  constructor(accept: (connection: Duplex) => void, logger: Logger) {
    const [near, far] = duplexPair({ highWaterMark: PIPE_BYTES })
    this.#logger = logger
    this.#session = connect('http://localhost', { createConnection: () => near })
    this.#session.on('error', error =>
      logger.debug({ err: error }, 'the connection to the gRPC library broke'),
    )
    accept(far)
  }

  forward(call: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
    if (this.#session.closed || this.#session.destroyed) {
      call.close(NGHTTP2_REFUSED_STREAM)
      return
    }
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    const passed = this.#request(headers, endStream)
    if (!passed) {
      call.close(NGHTTP2_PROTOCOL_ERROR)
      return
    }
    passed.on('error', error => this.#logger.debug({ err: error }, 'a call that was passed on broke'))
    passed.on('close', () => endWith(call, passed.rstCode))
    call.on('close', () => endWith(passed, call.rstCode))
    if (!endStream) call.pipe(passed)
    answer(call, passed)
  }

  /** Undefined for headers that HTTP/2 lets in and not out, as those of CONNECT and of HTTP/1. */
  #request(headers: IncomingHttpHeaders, endStream: boolean): ClientHttp2Stream | undefined {
    try {
      return this.#session.request({ ...headers }, { endStream })
    } catch (error) {
      this.#logger.debug({ err: error }, 'a call cannot be passed on')
      return undefined
    }
  }

  close(): void {
    this.#session.destroy()
  }
}

/** Passes what the gRPC library answers. */
function answer(call: ServerHttp2Stream, passed: ClientHttp2Stream): void {
  let trailers: IncomingHttpHeaders = {}
  passed.on('response', (headers, flags) => {
    if (call.destroyed || call.closed) return
    const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    call.respond(headers, isAll ? HAS_NONE : HAS_TRAILERS)
    if (!isAll) passed.pipe(call)
  })
  passed.on('trailers', received => {
    trailers = received
  })
  call.on('wantTrailers', () => {
    if (!call.destroyed && !call.closed) call.sendTrailers(trailers)
  })
}

/** One side has ended: so does the other, after what was said before where that is a regular end. */
function endWith(stream: ClientHttp2Stream | ServerHttp2Stream, code: number | undefined): void {
  if (stream.destroyed || stream.closed) return
  const isRegular = code === undefined || code === NGHTTP2_NO_ERROR
  if (!isRegular) stream.close(code)
  else if (!stream.writableEnded) stream.close(NGHTTP2_CANCEL)
}
