/** Changes as they happen, as server-sent events. */
import { Type } from 'typebox'
import { problems } from './answers.ts'
import type { HttpApp } from './context.ts'
import type { EventStreams } from './event-streams.ts'
import { SECURITY_HEADERS } from './guard.ts'
import { parseServiceName } from './names.ts'
import { eventsQuery } from './parameters.ts'

const events = {
  description:
    'A stream of events: "event" is the kind of change (registered, updated, draining, lapsed, renewed, stalled, resumed, expired, deregistered, superseded), "data" the instance as JSON, "id" a number that rises. A comment comes every 15 s.',
  content: { 'text/event-stream': { schema: Type.String() } },
}

export function eventRoutes(app: HttpApp, streams: EventStreams): void {
  app.get(
    '/v1/events',
    {
      schema: {
        summary: 'Follow changes',
        description:
          'Sends every change from now on, of one service or of all. Nothing is replayed: after a reconnection read the present state. A reader that falls 256 KiB behind is disconnected.',
        tags: ['queries'],
        querystring: eventsQuery,
        response: { 200: events, ...problems(400, 503, 507) },
      },
    },
    (request, reply) => {
      const { service } = request.query
      const name = service === undefined ? undefined : parseServiceName(service)
      streams.assertRoom()
      reply.hijack()
      streams.open(reply.raw, SECURITY_HEADERS, name)
    },
  )
}
