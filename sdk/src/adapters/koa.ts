/** Koa: `app.use(healthz(registration))` answers GET /healthz and passes everything else on. */
import type { Context, Next } from 'koa'
import type { HealthSource } from '../health.ts'

export type KoaMiddleware = (context: Context, next: Next) => Promise<void>

/** Readiness at `path` (default `/healthz`): 200 or 503, and `{ status, checks }`. */
export function healthz(registration: Pick<HealthSource, 'healthz'>, path = '/healthz'): KoaMiddleware {
  return answering(path, () => registration.healthz())
}

/** Liveness at `path` (default `/livez`): 200 for as long as the process answers. */
export function livez(registration: Pick<HealthSource, 'livez'>, path = '/livez'): KoaMiddleware {
  return answering(path, () => registration.livez())
}

function answering(path: string, report: () => { httpStatus: number }): KoaMiddleware {
  return async (context, next) => {
    if (context.path !== path || !['GET', 'HEAD'].includes(context.method)) return next()
    const { httpStatus, ...body } = report()
    context.status = httpStatus
    context.set('cache-control', 'no-store')
    context.body = body
  }
}
