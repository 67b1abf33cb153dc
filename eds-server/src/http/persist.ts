/** A change is answered only once it is on disk; heartbeats and questions never wait for that. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HttpContext } from './context.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True: an answer of this route says that something is registered, changed or removed. */
    persists?: boolean
  }
}

type Hook = (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error?: Error | null, payload?: unknown) => void,
) => void

/** Answers ROLLCALL_STORE_UNAVAILABLE in place of a success that would not outlive the process (F26). */
export function persistFirst({ registry }: Pick<HttpContext, 'registry'>): Hook {
  return (request, reply, payload, done) => {
    const isChange = request.routeOptions.config.persists === true && reply.statusCode < 400
    const persisted = isChange ? registry.persisted() : undefined
    if (!persisted) return done(null, payload)
    persisted.then(
      () => done(null, payload),
      (error: Error) => done(error),
    )
  }
}
