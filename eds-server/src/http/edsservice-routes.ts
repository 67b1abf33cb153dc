/**
 * Registration by address, for scripts and for what cannot send heartbeats: no lease, the instance stays until it
 * is removed. A removal is the operator's word: it needs no key and ends SDK-registered instances too.
 */
import type { Instance } from '../registry/instance.ts'
import { hostPort, NO_LOCALITY } from '../registry/instance.ts'
import { parseHostPort } from './address-text.ts'
import { endpointAnswer, problems } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { parseMetadata, parseServiceName } from './names.ts'
import { endpointQuery } from './parameters.ts'

const DEFAULT_SERVICE = 'myservice'
const ENDPOINT_FIELDS = { address: 'endpoint', port: 'endpoint' }

export function edsserviceRoutes(app: HttpApp, context: HttpContext): void {
  registerRoute(app, context)
  deregisterRoute(app, context)
}

function registerRoute(app: HttpApp, { registry, admitAddress }: HttpContext): void {
  app.get(
    '/edsservice/register',
    {
      config: { persists: true },
      schema: {
        summary: 'Register an endpoint',
        description: `Adds the endpoint to the service (default ${DEFAULT_SERVICE}) until it is deregistered. Doing it again changes nothing.`,
        tags: ['endpoints'],
        querystring: endpointQuery,
        response: { 200: endpointAnswer, ...problems(400, 409, 503, 507) },
      },
    },
    ({ query }, reply) => {
      const service = parseServiceName(query.service ?? DEFAULT_SERVICE)
      const { address: given, port } = parseHostPort(query.endpoint, 'endpoint')
      const address = admitAddress(given, port, ENDPOINT_FIELDS)
      const record = {
        service,
        instanceId: `${address}:${port}`,
        address,
        port,
        status: 'healthy' as const,
        weight: 1,
        locality: NO_LOCALITY,
        priority: 0,
        canary: undefined,
        metadata: parseMetadata({}),
      }
      reply.send(endpointView(registry.register(record, undefined).instance))
    },
  )
}

function deregisterRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    '/edsservice/deregister',
    {
      config: { persists: true },
      schema: {
        summary: 'Deregister an endpoint',
        description: `Removes the endpoint from the service (default ${DEFAULT_SERVICE}), whoever registered it. An SDK that registered it stops its heartbeats and does not register again.`,
        tags: ['endpoints'],
        querystring: endpointQuery,
        response: { 200: endpointAnswer, ...problems(400, 404, 503) },
      },
    },
    ({ query }, reply) => {
      const service = parseServiceName(query.service ?? DEFAULT_SERVICE)
      const { address, port } = parseHostPort(query.endpoint, 'endpoint')
      reply.send(endpointView(registry.removeAt(service, address, port)))
    },
  )
}

function endpointView(
  instance: Instance,
): Pick<Instance, 'service' | 'instanceId' | 'incarnation'> & { endpoint: string } {
  const { service, instanceId, incarnation } = instance
  return { service, endpoint: hostPort(instance), instanceId, incarnation }
}
