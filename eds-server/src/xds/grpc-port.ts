/** The listening port and its HTTP/2 connections. What a call means is not known here. */
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { LISTEN_BACKLOG, listenError } from '../listening.ts'
import { Connection, type ConnectionLimits } from './connection.ts'

export interface GrpcPortOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: ConnectionLimits
  /** Takes a call as it opens, with the HTTP/2 flags of its headers. */
  readonly opened: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    connection: Connection,
  ) => void
}

/**
 * Requests are small and read as they come: windows that hold Envoy's node several times over spare the client the
 * waiting, and us most of the frames that would widen them.
 */
const STREAM_WINDOW = 256 * 1024
const CONNECTION_WINDOW = 4 * STREAM_WINDOW

export class GrpcPort {
  readonly #server: Http2Server
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #connections = new Map<unknown, Connection>()

  constructor({ clock, logger, limits, opened }: GrpcPortOptions) {
    this.#clock = clock
    this.#logger = logger
    // Typed discovery opens a stream per cluster: no limit to their number or to the memory of all of them;
    // each is bounded for itself. Against floods (F55) node:http2 has limits of its own, and they are on.
    this.#server = createServer({
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: { initialWindowSize: STREAM_WINDOW },
    })
    this.#server.on('session', session => {
      session.setLocalWindowSize(CONNECTION_WINDOW)
      this.#connections.set(session, new Connection(session, clock, limits, logger))
      session.on('close', () => this.#connections.delete(session))
    })
    this.#server.on('stream', (stream, headers, flags) => {
      stream.on('error', error => logger.debug({ err: error }, 'a call broke'))
      // It may have been reset before it is heard of (F55).
      const connection = this.#connections.get(stream.session)
      if (connection && !stream.closed && !stream.destroyed) opened(stream, headers, flags, connection)
    })
    this.#server.on('sessionError', error => logger.debug({ err: error }, 'a connection broke'))
  }

  /** Resolves with the port, which is another one than asked for only for 0. Rejects with ROLLCALL_PORT_IN_USE. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void => reject(listenError(cause, { protocol: 'gRPC', host, port }))
      this.#server.once('error', failed)
      this.#server.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
        this.#server.off('error', failed)
        this.#server.on('error', error => this.#logger.error({ err: error }, 'the gRPC port'))
        const address = this.#server.address()
        resolve(typeof address === 'object' && address ? address.port : port)
      })
    })
  }

  /** Frees the port and lets every connection end with its last stream; after `graceMs` it is cut. */
  async close(graceMs: number): Promise<void> {
    if (!this.#server.listening) return
    const timer = this.#clock.setTimer(graceMs, () => {
      for (const connection of [...this.#connections.values()]) connection.destroy()
    })
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const connection of [...this.#connections.values()]) connection.close()
    await closed
    timer.cancel()
  }
}
