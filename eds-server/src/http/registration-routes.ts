/** Registering an instance and changing what it said of itself. */
import { isIPv6 } from 'node:net'
import { type InstanceRecord, NO_LOCALITY } from '../registry/instance.ts'
import type { AdmitAddress } from './address.ts'
import { instanceAnswer, problems, registrationAnswer } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { broughtSecret, optionalLeaseKey } from './lease-headers.ts'
import { parseInstanceId, parseMetadata, parseServiceName } from './names.ts'
import {
  type InstanceParams,
  instanceParams,
  noQuery,
  optionalLeaseHeaders,
  secretHeader,
} from './parameters.ts'
import { patchBody, type RegistrationBody, registrationBody } from './schemas.ts'
import { instanceView, registrationView } from './views.ts'

const INSTANCE = '/v1/services/:service/instances/:instanceId'

export function registrationRoutes(app: HttpApp, context: HttpContext): void {
  registerRoute(app, context)
  patchRoute(app, context)
}

function registerRoute(app: HttpApp, { registry, admitAddress }: HttpContext): void {
  app.put(
    INSTANCE,
    {
      config: { persists: true, documented: { headers: secretHeader } },
      schema: {
        summary: 'Register an instance',
        description:
          'Grants a lease: a new life (201), or an update of the present one (200) when the secret of its lease is shown. The secret is answered here and nowhere else. Another instance of the service at the same address and port is superseded.',
        tags: ['instances'],
        params: instanceParams,
        querystring: noQuery,
        body: registrationBody,
        response: { 200: registrationAnswer, 201: registrationAnswer, ...problems(400, 409, 413, 503, 507) },
      },
    },
    (request, reply) => {
      const { params, body, headers, socket } = request
      const record = recordOf(params, body, socket.remoteAddress ?? '', admitAddress)
      const secret = broughtSecret(headers)
      const lease = {
        ...(secret !== undefined && { secret }),
        ...(body.ttlMs !== undefined && { ttlMs: body.ttlMs }),
      }
      const { instance, leaseSecret, created } = registry.register(record, lease)
      reply.code(created ? 201 : 200).send(registrationView(instance, leaseSecret))
    },
  )
}

function patchRoute(app: HttpApp, { registry }: HttpContext): void {
  app.patch(
    INSTANCE,
    {
      config: { persists: true, documented: { headers: optionalLeaseHeaders } },
      schema: {
        summary: 'Change an instance',
        description:
          'Changes its weight, status or metadata and leaves the rest. The lease headers may be missing only for an instance without a lease. Metadata is replaced as a whole.',
        tags: ['instances'],
        params: instanceParams,
        querystring: noQuery,
        body: patchBody,
        response: { 200: instanceAnswer, ...problems(400, 401, 404, 410, 413, 503) },
      },
    },
    ({ params, body, headers }, reply) => {
      const change = { ...body, ...(body.metadata && { metadata: parseMetadata(body.metadata) }) }
      const service = parseServiceName(params.service)
      const instanceId = parseInstanceId(params.instanceId)
      const instance = registry.patch(service, instanceId, optionalLeaseKey(headers), change)
      reply.send(instanceView(instance))
    },
  )
}

/** The record that a registration asks for. */
function recordOf(
  params: InstanceParams,
  body: RegistrationBody,
  caller: string,
  admitAddress: AdmitAddress,
): InstanceRecord {
  return {
    service: parseServiceName(params.service),
    instanceId: parseInstanceId(params.instanceId),
    address: admitAddress(body.address ?? withoutZone(caller), body.port),
    port: body.port,
    status: body.status ?? 'healthy',
    weight: body.weight ?? 1,
    locality: body.locality ? { ...NO_LOCALITY, ...body.locality } : NO_LOCALITY,
    priority: body.priority ?? 0,
    canary: body.canary,
    metadata: parseMetadata(body.metadata ?? {}),
  }
}

/** A link-local caller comes with the zone of our side; the address policy refuses it by its range. */
function withoutZone(address: string): string {
  return isIPv6(address) ? (address.split('%')[0] ?? address) : address
}
