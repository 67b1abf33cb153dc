/** One HTTP/2 connection: its keepalive pings, its age, and its end. */
import { constants, type ServerHttp2Session } from 'node:http2'
import type { Logger } from 'pino'
import type { Clock, Timer } from '../clock.ts'

export interface ConnectionLimits {
  /** A connection is pinged this often. Default 30,000 ms. */
  readonly keepaliveMs: number
  /** A ping that is not answered within this ends the connection. Default 10,000 ms. */
  readonly keepaliveTimeoutMs: number
  /** Connections are asked to reconnect at this age, give or take 10 %. Default: never. */
  readonly connectionAgeMs: number | undefined
}

const AGE_GRACE_MS = 30_000
const AGE_JITTER = 0.1
/** Streams that the client opened before it heard of the end are served still. */
const EVERY_STREAM = 2 ** 31 - 1

export class Connection {
  /** Address and port of the client. */
  readonly peer: string
  readonly session: ServerHttp2Session
  readonly #clock: Clock
  readonly #limits: ConnectionLimits
  readonly #logger: Logger
  #keepalive: Timer
  #age: Timer | undefined

  constructor(session: ServerHttp2Session, clock: Clock, limits: ConnectionLimits, logger: Logger) {
    const { remoteAddress = '', remotePort = 0 } = session.socket
    this.peer = remoteAddress.includes(':')
      ? `[${remoteAddress}]:${remotePort}`
      : `${remoteAddress}:${remotePort}`
    this.session = session
    this.#clock = clock
    this.#limits = limits
    this.#logger = logger
    this.#keepalive = clock.setTimer(limits.keepaliveMs, () => this.#ping())
    const { connectionAgeMs } = limits
    if (connectionAgeMs !== undefined) {
      const jitter = 1 + AGE_JITTER * (2 * Math.random() - 1)
      this.#age = clock.setTimer(connectionAgeMs * jitter, () => this.#retire())
    }
    session.on('error', error => logger.debug({ err: error, peer: this.peer }, 'a connection broke'))
    session.on('close', () => {
      this.#keepalive.cancel()
      this.#age?.cancel()
    })
  }

  /** Takes no new streams, and ends with the last of those that are open. */
  close(): void {
    this.session.close()
  }

  /** Ends at once, with whatever is open. */
  destroy(): void {
    this.session.destroy()
  }

  #ping(): void {
    if (this.session.destroyed) return
    this.#keepalive = this.#clock.setTimer(this.#limits.keepaliveTimeoutMs, () => {
      this.#logger.info(
        { peer: this.peer },
        `closed: no answer to a ping for ${this.#limits.keepaliveTimeoutMs} ms`,
      )
      this.destroy()
    })
    // Not sent while too many are unanswered; the timer then ends the connection.
    this.session.ping(error => {
      this.#keepalive.cancel()
      if (!error) this.#keepalive = this.#clock.setTimer(this.#limits.keepaliveMs, () => this.#ping())
    })
  }

  #retire(): void {
    this.session.goaway(constants.NGHTTP2_NO_ERROR, EVERY_STREAM)
    this.close()
    this.#age = this.#clock.setTimer(AGE_GRACE_MS, () => this.destroy())
  }
}
