/** What the registry knows, and what the clients have. */
import { RollcallError } from '../errors.ts'
import { unknown as unknownInstance } from '../registry/refusals.ts'
import { instanceAnswer, instancesAnswer, nodesAnswer, problems, servicesAnswer } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { parseInstanceId, parseServiceName } from './names.ts'
import { instanceParams, noQuery, serviceParams } from './parameters.ts'
import { instanceView } from './views.ts'

export function queryRoutes(app: HttpApp, context: HttpContext): void {
  servicesRoute(app, context)
  instancesRoute(app, context)
  instanceRoute(app, context)
  nodesRoute(app, context)
}

function servicesRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    '/v1/services',
    {
      schema: {
        summary: 'List services',
        description: 'Every service that is known, with its instances and how many of them are healthy.',
        tags: ['queries'],
        querystring: noQuery,
        response: { 200: servicesAnswer, ...problems(400) },
      },
    },
    (_request, reply) => {
      const services = Array.from(registry.services(), service => {
        const instances = registry.instances(service) ?? []
        const healthy = instances.filter(({ status, lapsed }) => status === 'healthy' && !lapsed)
        return { service, instances: instances.length, healthy: healthy.length }
      })
      reply.send({ services })
    },
  )
}

function instancesRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    '/v1/services/:service/instances',
    {
      schema: {
        summary: 'List the instances of a service',
        description: 'Empty for a service that lost its last instance, 404 for one never heard of.',
        tags: ['queries'],
        params: serviceParams,
        querystring: noQuery,
        response: { 200: instancesAnswer, ...problems(400, 404) },
      },
    },
    (request, reply) => {
      const service = parseServiceName(request.params.service)
      const instances = registry.instances(service)
      if (instances) return reply.send({ service, instances: instances.map(instanceView) })
      const message = `no instance ever registered under service ${JSON.stringify(service)}`
      throw new RollcallError('ROLLCALL_SERVICE_UNKNOWN', message, { field: 'service', value: service })
    },
  )
}

function instanceRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    '/v1/services/:service/instances/:instanceId',
    {
      schema: {
        summary: 'Read an instance',
        description: 'The instance as it is now, lapsed or not.',
        tags: ['queries'],
        params: instanceParams,
        querystring: noQuery,
        response: { 200: instanceAnswer, ...problems(400, 404) },
      },
    },
    ({ params }, reply) => {
      const service = parseServiceName(params.service)
      const instanceId = parseInstanceId(params.instanceId)
      const instance = registry.get(service, instanceId)
      if (!instance) throw unknownInstance(service, instanceId)
      reply.send(instanceView(instance))
    },
  )
}

function nodesRoute(app: HttpApp, { nodes }: HttpContext): void {
  app.get(
    '/v1/nodes',
    {
      schema: {
        summary: 'List the connected clients',
        description: 'Who is connected, what each has of every type, and what it refused.',
        tags: ['queries'],
        querystring: noQuery,
        response: { 200: nodesAnswer, ...problems(400) },
      },
    },
    (_request, reply) => {
      reply.send({ nodes: [...nodes()] })
    },
  )
}
