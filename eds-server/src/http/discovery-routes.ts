/**
 * The discovery protocol as single requests. What is asked and answered is the business of the layer behind the
 * port; here are the paths, the limits, and how long a caller is kept waiting for news.
 */
import type { FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { RollcallError } from '../errors.ts'
import { problems } from './answers.ts'
import type { DiscoveryMethod, HttpApp, HttpContext } from './context.ts'
import { HOSTS_BYTES_MAX } from './hosts-routes.ts'
import { noQuery } from './parameters.ts'

const answer: TSchema = Type.Unsafe({
  type: 'object',
  additionalProperties: true,
  description: 'What the caller does not have yet',
})

const unchanged: TSchema = Type.Null({ description: 'The caller has it already' })

export function discoveryRoutes(app: HttpApp, context: HttpContext): void {
  for (const method of context.discovery.methods) discoveryRoute(app, context, method)
}

function discoveryRoute(app: HttpApp, context: HttpContext, method: DiscoveryMethod): void {
  const { discovery } = context
  const headers = Type.Object({
    [discovery.timeoutHeader]: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,9}$',
        description:
          'how long the caller waits, in milliseconds: it is answered before that, as soon as there is news',
      }),
    ),
  })
  app.post(
    // The router takes a colon for the beginning of a parameter unless it is doubled.
    method.path.replaceAll(':', '::'),
    {
      // A caller's first words about itself are 77 KB.
      bodyLimit: HOSTS_BYTES_MAX,
      config: { documented: { headers, requiredBody: Type.Unsafe(method.bodySchema) } },
      schema: {
        summary: method.summary,
        description:
          'Answered 304 when the caller has the present version, 503 while this server does not know enough to answer. Both spellings of a field are taken; fields that are not named here are passed over.',
        tags: ['discovery'],
        querystring: noQuery,
        response: {
          200: { description: 'What changed', content: { 'application/json': { schema: answer } } },
          304: unchanged,
          ...problems(400, 413, 503),
        },
      },
    },
    async (request, reply) => {
      assertReady(context)
      const expectedMs = expectedIn(request.headers[discovery.timeoutHeader])
      const text = await whileConnected(request, context.stopping, signal =>
        method.answer({ body: request.body, expectedMs, signal, peer: peerOf(request) }),
      )
      if (text === undefined) return reply.code(304).send()
      return reply.header('content-type', 'application/json').send(Buffer.from(text))
    },
  )
}

export function assertReady({ readiness }: HttpContext): void {
  const { ready, reason } = readiness()
  if (!ready) throw new RollcallError('ROLLCALL_NOT_READY', reason ?? 'the server is not ready')
}

/** A value that is no number is as none: no caller is refused for a hint. */
function expectedIn(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined
}

function peerOf({ socket }: FastifyRequest): string {
  return `${socket.remoteAddress}:${socket.remotePort}`
}

/** A caller that is gone and a server that stops end the wait; the caller then keeps what it has. */
async function whileConnected<Result>(
  { socket }: FastifyRequest,
  stopping: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const wait = new AbortController()
  const end = (): void => wait.abort()
  socket.once('close', end)
  stopping.addEventListener('abort', end)
  if (stopping.aborted) end()
  try {
    return await work(wait.signal)
  } finally {
    socket.off('close', end)
    stopping.removeEventListener('abort', end)
  }
}
