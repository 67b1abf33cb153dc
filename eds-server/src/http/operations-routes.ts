/** For those who run the server: is it alive, is it ready, how is it doing, what does it understand. */
import { Type } from 'typebox'
import { RollcallError } from '../errors.ts'
import { problems, readyAnswer, statusAnswer } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { documentOf } from './openapi.ts'

const tags = ['operations']

/** Probes: any caller under any host name. */
export function probeRoutes(app: HttpApp, { readiness }: HttpContext): void {
  app.get(
    '/healthz',
    {
      exposeHeadRoute: true,
      schema: {
        summary: 'Is the process alive',
        description: 'Answers as long as the process does; says nothing on whether it is ready.',
        tags,
        response: { 200: statusAnswer, ...problems() },
      },
    },
    (_request, reply) => {
      reply.send({ status: 'ok' })
    },
  )
  app.get(
    '/readyz',
    {
      exposeHeadRoute: true,
      schema: {
        summary: 'Is the server ready',
        description:
          'Ready means that its answers are complete: stored registrations are loaded and confirmed, and no stop has begun. The detail of a 503 says what is awaited and how long at most. Warnings of a 200 name what is wrong all the same.',
        tags,
        response: { 200: readyAnswer, ...problems(503) },
      },
    },
    (_request, reply) => {
      const { ready, reason = 'the server is not ready', remainingMs, warnings = [] } = readiness()
      if (!ready) {
        const left =
          remainingMs === undefined ? '' : `; ready in ${(remainingMs / 1000).toFixed(1)} s at the latest`
        const details = remainingMs === undefined ? {} : { retryAfterMs: remainingMs }
        throw new RollcallError('ROLLCALL_NOT_READY', `${reason}${left}`, details)
      }
      reply.send({ status: 'ready', ...(warnings.length > 0 && { warnings }) })
    },
  )
}

export function operationsRoutes(app: HttpApp, { metrics }: HttpContext): void {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics',
        description: 'In the Prometheus text format; docs/metrics.md says what each means.',
        tags,
        response: {
          200: { description: 'The metrics', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(),
        },
      },
    },
    async (_request, reply) => {
      const text = await metrics.render()
      return reply.header('content-type', metrics.contentType).send(text)
    },
  )
  const documentText = documentOf(app)
  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        description: 'The OpenAPI 3.1 document of everything that the server answers over HTTP.',
        tags,
        response: {
          200: {
            description: 'The document',
            content: {
              'application/json': { schema: Type.Unsafe({ type: 'object', additionalProperties: true }) },
            },
          },
          ...problems(),
        },
      },
    },
    (_request, reply) => {
      reply.header('content-type', 'application/json').send(documentText())
    },
  )
}
