/**
 * What the SDK does to a server that is attached: it answers the health paths before the user's handlers see
 * them, keeps idle connections longer than Envoy does, and at the end closes it so that no answer is lost.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as NetServer, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { healthz, livez } from './adapters/http.ts'
import { OptionError } from './errors.ts'
import type { HealthSource } from './health.ts'

/** Envoy keeps an idle upstream connection for an hour; whoever closes first may reset a request under way. */
const KEEP_ALIVE_MS = 3_610_000
/** From the last ACK to the first closed connection: Envoy's workers follow its main thread by milliseconds. */
const SETTLE_MS = 100
/** How long a connection without any request may still bring one, once the listener is closed. */
const SILENT_MS = 1000

export interface ListenerOptions {
  /** Writes the answer and says true when the path is one of ours. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean
  keepAliveTimeoutMs: number | undefined
}

export class Listener {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #responses = new Set<ServerResponse>()
  #isClosing = false

  constructor(server: Server, { answer, keepAliveTimeoutMs }: ListenerOptions) {
    this.#server = server
    // headersTimeout stays: since Node 18 it does not count idle time, and it holds off slow clients (F54).
    server.keepAliveTimeout = keepAliveTimeoutMs ?? Math.max(server.keepAliveTimeout, KEEP_ALIVE_MS)
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    // `emit` and not a listener: only so do the user's listeners, whenever added, not see our paths.
    const emit = server.emit
    server.emit = (event: string | symbol, ...details: unknown[]): boolean => {
      if (event === 'request') {
        const [request, response] = details as [IncomingMessage, ServerResponse]
        this.#follow(request, response)
        if (answer(request, response)) return true
      }
      return Reflect.apply(emit, server, [event, ...details])
    }
  }

  /** Resolves when no connection is left, or has cut them all once `signal` aborts. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosing = true
    for (const response of this.#responses) sayGoodbye(response)
    if (this.#sockets.size > 0) await pause(SETTLE_MS, signal)
    if (!this.#server.listening) return
    let isClosed = false
    const closed = new Promise<void>(resolve => {
      this.#server.close(() => {
        isClosed = true
        resolve()
      })
    })
    for (let waitedMs = 0; !isClosed && !signal.aborted; waitedMs += SETTLE_MS) {
      this.#server.closeIdleConnections()
      // Not idle in Node's eyes, since its first request may be on its way.
      if (waitedMs >= SILENT_MS)
        for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
      await Promise.race([closed, pause(SETTLE_MS, signal)])
    }
    if (isClosed) return
    this.#server.closeAllConnections()
    for (const socket of this.#sockets) socket.destroy() // upgraded ones too, which Node no longer counts
    await closed
  }

  #follow({ httpVersionMajor }: IncomingMessage, response: ServerResponse): void {
    if (httpVersionMajor > 1) return
    this.#responses.add(response)
    response.once('close', () => this.#responses.delete(response))
    if (this.#isClosing) sayGoodbye(response)
  }
}

/** The server's port as soon as it listens. Rejects when it listens on a pipe. */
export async function portOf(server: NetServer): Promise<number> {
  if (!server.listening) await new Promise<void>(resolve => server.once('listening', () => resolve()))
  const address = server.address()
  if (address !== null && typeof address === 'object') return address.port
  throw new OptionError(
    'port',
    undefined,
    'known: the server listens on a pipe, so say where clients reach it',
  )
}

export interface HealthPaths {
  healthzPath: string | false
  livezPath: string | false
}

/** Answers when the request is for one of the paths, and says whether it was. */
export function answerHealth(
  registration: HealthSource,
  { healthzPath, livezPath }: HealthPaths,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const [path] = (request.url ?? '').split('?', 1)
  if (path === healthzPath) healthz(registration)(request, response)
  else if (path === livezPath) livez(registration)(request, response)
  else return false
  return true
}

function sayGoodbye(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined)
}
