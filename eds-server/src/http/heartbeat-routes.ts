/**
 * Renewing leases. The single heartbeat is the hot path: its headers and its two fields are checked by hand, no
 * schema runs, nothing is logged and nothing is awaited. The batch is for agents that speak for many instances.
 */
import { invalidArgument, RollcallError } from '../errors.ts'
import type { Beat } from '../registry/changes.ts'
import { STATUSES } from '../registry/instance.ts'
import { batchAnswer, noContent, problems } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { leaseKey } from './lease-headers.ts'
import { parseInstanceId, parseServiceName } from './names.ts'
import { type InstanceParams, instanceParams, leaseHeaders, noQuery } from './parameters.ts'
import { batchBody, heartbeatBody } from './schemas.ts'

/** 1,000 heartbeats of the longest names. */
const BATCH_BYTES_MAX = 512 * 1024

export function heartbeatRoutes(app: HttpApp, context: HttpContext): void {
  singleRoute(app, context)
  batchRoute(app, context)
}

function singleRoute(app: HttpApp, { registry, metrics }: HttpContext): void {
  app.put<{ Params: InstanceParams }>(
    '/v1/services/:service/instances/:instanceId/heartbeat',
    {
      config: { documented: { params: instanceParams, headers: leaseHeaders, body: heartbeatBody } },
      schema: {
        summary: 'Renew a lease',
        description:
          'Due every lease.heartbeatIntervalMs of the registration. The body is optional; a status other than the present one is taken over, and `stalled` is shown for as long as it is said. 404 and ROLLCALL_LEASE_EXPIRED ask to register again with the full record; the other codes of 410 say that this life is over.',
        tags: ['instances'],
        response: { 204: noContent, ...problems(400, 401, 404, 410, 413) },
      },
    },
    (request, reply) => {
      const { params, headers, body } = request
      try {
        const service = parseServiceName(params.service)
        const instanceId = parseInstanceId(params.instanceId)
        registry.heartbeat(service, instanceId, leaseKey(headers), beatIn(body))
      } catch (error) {
        metrics.heartbeat('refused')
        throw error
      }
      metrics.heartbeat('renewed')
      reply.code(204).send()
    },
  )
}

function batchRoute(app: HttpApp, { registry, metrics }: HttpContext): void {
  app.post(
    '/v1/heartbeats',
    {
      bodyLimit: BATCH_BYTES_MAX,
      schema: {
        summary: 'Renew many leases',
        description:
          'Each heartbeat stands for itself: the answer names those that were refused, with the status and code that they would have got alone. A malformed batch is refused as a whole and renews nothing.',
        tags: ['instances'],
        querystring: noQuery,
        body: batchBody,
        response: { 200: batchAnswer, ...problems(400, 413) },
      },
    },
    ({ body: { heartbeats } }, reply) => {
      const refused = []
      for (const heartbeat of heartbeats) {
        const { service, instanceId, incarnation, leaseSecret: secret } = heartbeat
        try {
          registry.heartbeat(
            parseServiceName(service),
            parseInstanceId(instanceId),
            { incarnation, secret },
            heartbeat,
          )
        } catch (thrown) {
          if (!(thrown instanceof RollcallError)) throw thrown
          const { httpStatus, code, message: detail } = thrown
          refused.push({ service, instanceId, status: httpStatus, code, detail })
        }
      }
      const renewed = heartbeats.length - refused.length
      metrics.heartbeat('renewed', renewed)
      metrics.heartbeat('refused', refused.length)
      reply.send({ renewed, refused })
    },
  )
}

const KNOWN_STATUSES: ReadonlySet<unknown> = new Set(STATUSES)

const NOTHING_SAID: Beat = {}

/** What `heartbeatBody` says, by hand. */
function beatIn(body: unknown): Beat {
  if (body === undefined) return NOTHING_SAID
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const shownBody = Array.isArray(body) ? 'an array' : body
    throw invalidArgument('body', shownBody, 'a JSON object with at most status and stalled')
  }
  for (const field in body) {
    if (field !== 'status' && field !== 'stalled')
      throw invalidArgument(
        field.slice(0, 100),
        field,
        'a field of a heartbeat; there are: status and stalled',
      )
  }
  const { status, stalled } = body as { status?: unknown; stalled?: unknown }
  if (status !== undefined && !KNOWN_STATUSES.has(status)) {
    throw invalidArgument('status', scalar(status), `one of ${STATUSES.join(', ')}`)
  }
  if (stalled !== undefined && typeof stalled !== 'boolean') {
    throw invalidArgument('stalled', scalar(stalled), 'true or false')
  }
  return body
}

function scalar(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? 'an object' : value
}
