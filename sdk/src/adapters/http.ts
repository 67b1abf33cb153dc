/** node:http: the health answers, as one request handler. The other adapters say the same in their own words. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HealthSource } from '../health.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Readiness for a path of your own choice: 200 or 503, and `{ status, checks }`. */
export function healthz(registration: Pick<HealthSource, 'healthz'>): Handler {
  return (_request, response) => {
    const { httpStatus, ...body } = registration.healthz()
    write(response, httpStatus, body)
  }
}

/** Liveness: 200 for as long as the process answers. */
export function livez(registration: Pick<HealthSource, 'livez'>): Handler {
  return (_request, response) => {
    const { httpStatus, ...body } = registration.livez()
    write(response, httpStatus, body)
  }
}

function write(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}
