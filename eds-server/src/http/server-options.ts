/**
 * The limits of the HTTP server (F52, F54) and the answers to what is not well-formed HTTP, which no route and no
 * hook ever sees.
 */
import { maxHeaderSize, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify'
import { type ErrorCode, RollcallError } from '../errors.ts'
import { SECURITY_HEADERS } from './guard.ts'
import { asRollcallError, PROBLEM_TYPE, problemOf, sendProblem } from './problem.ts'

export const DEFAULT_BODY_LIMIT: number = 16 * 1024
export const CONNECTIONS_MAX = 10_000

const HEADER_BYTES_MAX = 16 * 1024
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 15_000
/** Node looks only every 30 s by default, which would make a timeout of 10 s one of 40 s (F54). */
const TIMEOUT_CHECK_INTERVAL_MS = 5_000
/** Longer than the idle time of usual load balancers, so that they and not we close first. */
const KEEP_ALIVE_MS = 65_000

export function serverOptions(bodyLimit: number): FastifyServerOptions & { http: object } {
  return {
    bodyLimit,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
    },
    // Names that are too long reach their grammar, which says so, instead of a bare 404.
    routerOptions: { maxParamLength: maxHeaderSize },
    exposeHeadRoutes: false,
    // What arrives while the server stops is answered; stop.ts closes the connection behind it.
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true }),
    ajv: {
      customOptions: {
        allowUnionTypes: true,
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        verbose: true,
      },
    },
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(SECURITY_HEADERS)
      sendProblem(reply, asRollcallError(error))
    },
    clientErrorHandler: answerMalformed,
  }
}

interface SocketError extends Error {
  readonly code?: string
}

function answerMalformed(error: SocketError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, message] = malformation(error.code)
  const problem = problemOf(new RollcallError(code, message))
  const body = JSON.stringify(problem)
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`)
}

function malformation(code: string | undefined): [ErrorCode, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return ['ROLLCALL_HEADERS_TOO_LARGE', 'headers: larger than 16 KiB']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return ['ROLLCALL_REQUEST_TIMEOUT', 'the request did not arrive within 15 s, its headers within 10 s']
  }
  return ['ROLLCALL_INVALID_ARGUMENT', 'the request is not well-formed HTTP']
}
