/** Self-preservation: is expiry frozen, why, until when; and the operator's word against it. */
import { type TObject, type TSchema, type TUnsafe, Type } from 'typebox'
import type { PreservationOverride } from '../registry/self-preservation.ts'
import { problems } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { closed } from './fields.ts'
import { noQuery } from './parameters.ts'

const PATH = '/v1/self-preservation'
const override: TUnsafe<PreservationOverride> = Type.Unsafe({
  type: 'string',
  enum: ['auto', 'on', 'off'],
  description: 'one of auto, on, off',
})

const answer: TSchema = Type.Object(
  {
    frozen: Type.Boolean({
      description: 'True while nothing is removed or marked because of missing heartbeats',
    }),
    reason: Type.Optional(Type.String()),
    since: Type.Optional(Type.String({ format: 'date-time' })),
    expected: Type.Integer({ description: 'Leases that should have had a heartbeat lately' }),
    renewed: Type.Integer({ description: 'Those that had' }),
    releasesInMs: Type.Optional(
      Type.Integer({ description: 'Until it ends if heartbeats go on as now; missing while too few arrive' }),
    ),
    override,
  },
  { description: 'Its state' },
)

const body: TObject<{ override: TUnsafe<PreservationOverride> }> = Type.Object(
  { override },
  { ...closed, description: 'a JSON object with override', examples: [{ override: 'auto' }] },
)

export function preservationRoutes(app: HttpApp, { registry, logger }: HttpContext): void {
  app.get(
    PATH,
    {
      schema: {
        summary: 'Is expiry frozen',
        description:
          'When many heartbeats are missing at once, they are believed to be lost and not the instances: then nothing expires until enough arrive again. Deregistering, draining and reported status always count.',
        tags: ['operations'],
        querystring: noQuery,
        response: { 200: answer, ...problems(400) },
      },
    },
    (_request, reply) => {
      reply.send(registry.preservation.state())
    },
  )
  app.put(
    PATH,
    {
      schema: {
        summary: 'Freeze expiry, or let it go on',
        description:
          'on: frozen until told otherwise. off: never frozen, and as many removals as there are; only the last live instance of a service is still kept. auto: the server decides. Not kept over a restart.',
        tags: ['operations'],
        querystring: noQuery,
        body,
        response: { 200: answer, ...problems(400, 413) },
      },
    },
    (request, reply) => {
      registry.preservation.setOverride(request.body.override)
      logger.warn({ override: request.body.override }, 'self-preservation: an operator decided')
      reply.send(registry.preservation.state())
    },
  )
}
