/** Express: `app.get('/healthz', healthz(registration))`. Not needed with `attach`, which answers before Express. */
import type { Request, Response } from 'express'
import type { HealthSource } from '../health.ts'

export type ExpressHandler = (request: Request, response: Response) => void

/** Readiness: 200 or 503, and `{ status, checks }`. */
export function healthz(registration: Pick<HealthSource, 'healthz'>): ExpressHandler {
  return (_request, response) => {
    const { httpStatus, ...body } = registration.healthz()
    response.status(httpStatus).set('cache-control', 'no-store').json(body)
  }
}

/** Liveness: 200 for as long as the process answers. */
export function livez(registration: Pick<HealthSource, 'livez'>): ExpressHandler {
  return (_request, response) => {
    const { httpStatus, ...body } = registration.livez()
    response.status(httpStatus).set('cache-control', 'no-store').json(body)
  }
}
