/** Leaving: draining, deregistering, and the question who knows of it. */
import type { FastifyRequest } from 'fastify'
import { parseDuration } from '../duration.ts'
import { RollcallError } from '../errors.ts'
import { deliveryAnswer, drainAnswer, noContent, problems, removalAnswer } from './answers.ts'
import type { DeliveryReport, DeliveryWait, HttpApp, HttpContext } from './context.ts'
import { optionalLeaseKey } from './lease-headers.ts'
import { parseInstanceId, parseServiceName } from './names.ts'
import {
  deliveryQuery,
  type InstanceParams,
  instanceParams,
  optionalLeaseHeaders,
  type WaitQuery,
  waitQuery,
} from './parameters.ts'
import { instanceView } from './views.ts'

const INSTANCE = '/v1/services/:service/instances/:instanceId'
const DEFAULT_TIMEOUT_MS = 5_000
const TIMEOUT_RANGE = { minMs: 0, maxMs: 60_000 }

export function departureRoutes(app: HttpApp, context: HttpContext): void {
  drainRoute(app, context)
  deregisterRoute(app, context)
  deliveryRoute(app, context)
}

function drainRoute(app: HttpApp, { registry, delivery, stopping }: HttpContext): void {
  app.post(
    `${INSTANCE}/drain`,
    {
      config: { persists: true, documented: { headers: optionalLeaseHeaders } },
      schema: {
        summary: 'Drain an instance',
        description:
          'It gets no new requests from now on and stays registered; its heartbeats go on. With wait=acked the answer comes when every client knows, and names those that do not at the timeout.',
        tags: ['instances'],
        params: instanceParams,
        querystring: waitQuery,
        response: { 200: drainAnswer, ...problems(400, 401, 404, 410, 413, 503) },
      },
    },
    async request => {
      const { service, instanceId } = identityIn(request.params)
      const wait = waitIn(request.query)
      const instance = registry.drain(service, instanceId, optionalLeaseKey(request.headers))
      if (wait === undefined) return { instance: instanceView(instance) }
      const report = await whileOpen(request, stopping, wait, each => delivery.settled(service, each))
      return { instance: instanceView(instance), delivery: report }
    },
  )
}

function deregisterRoute(app: HttpApp, { registry, delivery, stopping }: HttpContext): void {
  app.delete(
    INSTANCE,
    {
      config: { persists: true, documented: { headers: optionalLeaseHeaders } },
      schema: {
        summary: 'Deregister an instance',
        description:
          'Ends its lease and removes it; a later heartbeat of this life is refused for ever. With wait=acked the answer comes when no client has it, and names those that do at the timeout.',
        tags: ['instances'],
        params: instanceParams,
        querystring: waitQuery,
        response: { 200: removalAnswer, 204: noContent, ...problems(400, 401, 404, 410, 413, 503) },
      },
    },
    async (request, reply) => {
      const { service, instanceId } = identityIn(request.params)
      const wait = waitIn(request.query)
      registry.deregister(service, instanceId, optionalLeaseKey(request.headers))
      if (wait === undefined) return reply.code(204).send()
      return {
        delivery: await whileOpen(request, stopping, wait, each => delivery.gone(service, instanceId, each)),
      }
    },
  )
}

function deliveryRoute(app: HttpApp, { delivery, stopping }: HttpContext): void {
  app.get(
    `${INSTANCE}/delivery`,
    {
      schema: {
        summary: 'Ask who knows of an instance',
        description:
          'Answers when every client knows the instance (state=live) or when none has it any more (state=gone), and at the timeout at the latest; pending names the others. An instance that is still starting at the timeout is answered 503.',
        tags: ['instances'],
        params: instanceParams,
        querystring: deliveryQuery,
        response: { 200: deliveryAnswer, ...problems(400, 404, 503) },
      },
    },
    async request => {
      const { service, instanceId } = identityIn(request.params)
      const { state, timeout } = request.query
      const timeoutMs = timeoutIn(timeout)
      return whileOpen(request, stopping, timeoutMs, wait =>
        state === 'live'
          ? delivery.live(service, instanceId, wait)
          : delivery.gone(service, instanceId, wait),
      )
    },
  )
}

function identityIn(params: InstanceParams): InstanceParams {
  return { service: parseServiceName(params.service), instanceId: parseInstanceId(params.instanceId) }
}

/** Milliseconds to wait; undefined: do not wait. */
function waitIn({ wait, timeout }: WaitQuery): number | undefined {
  if (wait !== undefined) return timeoutIn(timeout)
  if (timeout === undefined) return undefined
  const details = { field: 'timeout', value: timeout }
  throw new RollcallError(
    'ROLLCALL_INVALID_ARGUMENT',
    `timeout: "${timeout}" is given without wait=acked`,
    details,
  )
}

function timeoutIn(text: string | undefined): number {
  return text === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(text, 'timeout', TIMEOUT_RANGE)
}

/** Waits no longer than the caller and this server do. The change itself is made and stays made. */
async function whileOpen(
  request: FastifyRequest,
  stopping: AbortSignal,
  timeoutMs: number,
  work: (wait: DeliveryWait) => Promise<DeliveryReport>,
): Promise<DeliveryReport> {
  const wait = new AbortController()
  const end = (): void => wait.abort()
  const stopped = new Promise<never>((_, reject) => {
    wait.signal.addEventListener('abort', () => reject(serverStops()))
  })
  request.socket.once('close', end)
  stopping.addEventListener('abort', end)
  if (stopping.aborted) end()
  try {
    return await Promise.race([stopped, work({ timeoutMs, signal: wait.signal })])
  } finally {
    request.socket.off('close', end)
    stopping.removeEventListener('abort', end)
  }
}

function serverStops(): RollcallError {
  return new RollcallError(
    'ROLLCALL_NOT_READY',
    'the server stops: the change is made, who knows of it is not known',
  )
}
