/**
 * Services as lists of hosts, to be created, read, replaced and deleted as a whole. No lease: a host stays until a
 * list without it comes, or somebody removes it. An SDK whose instance a list leaves out stops its heartbeats.
 */
import { RollcallError } from '../errors.ts'
import { replaceHosts } from '../registry/hosts.ts'
import type { Registry } from '../registry/registry.ts'
import { hostListAnswer, hostListsAnswer, noContent, problems } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { type HostView, hostsBody, hostsIn, hostView } from './host-bodies.ts'
import { parseServiceName } from './names.ts'
import { noQuery, serviceParams } from './parameters.ts'

const SERVICE = '/edsservice/:service'
/** Some 8,000 hosts. */
export const HOSTS_BYTES_MAX: number = 1024 * 1024
const tags = ['hosts']

export function hostsRoutes(app: HttpApp, context: HttpContext): void {
  listRoute(app, context)
  readRoute(app, context)
  createRoute(app, context)
  replaceRoute(app, context)
  deleteRoute(app, context)
}

function listRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    '/edsservice',
    {
      schema: {
        summary: 'List all services with their hosts',
        description: 'Whatever API the hosts were registered by.',
        tags,
        querystring: noQuery,
        response: { 200: hostListsAnswer, ...problems(400) },
      },
    },
    (_request, reply) => {
      reply.send({ services: Array.from(registry.services(), service => listOf(registry, service)) })
    },
  )
}

function readRoute(app: HttpApp, { registry }: HttpContext): void {
  app.get(
    SERVICE,
    {
      schema: {
        summary: 'Read the hosts of a service',
        description: 'Empty for a service without hosts, 404 for one that is not there.',
        tags,
        params: serviceParams,
        querystring: noQuery,
        response: { 200: hostListAnswer, ...problems(400, 404) },
      },
    },
    ({ params }, reply) => {
      const service = parseServiceName(params.service)
      assertThere(registry, service)
      reply.send(listOf(registry, service))
    },
  )
}

function createRoute(app: HttpApp, { registry, admitAddress }: HttpContext): void {
  app.post(
    SERVICE,
    {
      bodyLimit: HOSTS_BYTES_MAX,
      config: { persists: true },
      schema: {
        summary: 'Create a service with its hosts',
        description:
          'Refused where the service is there already, even without hosts: then replace its hosts.',
        tags,
        params: serviceParams,
        querystring: noQuery,
        body: hostsBody,
        response: { 201: hostListAnswer, ...problems(400, 409, 413, 503, 507) },
      },
    },
    ({ params, body }, reply) => {
      const service = parseServiceName(params.service)
      const hosts = hostsIn(body, admitAddress)
      if (registry.instances(service)) {
        const message = `service ${JSON.stringify(service)} is there already: PUT replaces its hosts`
        throw new RollcallError('ROLLCALL_SERVICE_EXISTS', message, { field: 'service', value: service })
      }
      replaceHosts(registry, service, hosts)
      reply.code(201).send(listOf(registry, service))
    },
  )
}

function replaceRoute(app: HttpApp, { registry, admitAddress }: HttpContext): void {
  app.put(
    SERVICE,
    {
      bodyLimit: HOSTS_BYTES_MAX,
      config: { persists: true },
      schema: {
        summary: 'Replace the hosts of a service',
        description:
          'All at once: of two lists that arrive together one replaces the other. An empty list empties the service.',
        tags,
        params: serviceParams,
        querystring: noQuery,
        body: hostsBody,
        response: { 200: hostListAnswer, ...problems(400, 404, 413, 503, 507) },
      },
    },
    ({ params, body }, reply) => {
      const service = parseServiceName(params.service)
      const hosts = hostsIn(body, admitAddress)
      assertThere(registry, service)
      replaceHosts(registry, service, hosts)
      reply.send(listOf(registry, service))
    },
  )
}

function deleteRoute(app: HttpApp, { registry }: HttpContext): void {
  app.delete(
    SERVICE,
    {
      config: { persists: true },
      schema: {
        summary: 'Delete a service with its hosts',
        description: 'It is then as if it had never been there. An SDK that registered one of them stops.',
        tags,
        params: serviceParams,
        querystring: noQuery,
        response: { 204: noContent, ...problems(400, 404, 413, 503) },
      },
    },
    ({ params }, reply) => {
      const service = parseServiceName(params.service)
      if (!registry.forget(service)) throw unknownService(service)
      reply.code(204).send()
    },
  )
}

function listOf(registry: Registry, service: string): { service: string; hosts: HostView[] } {
  return { service, hosts: (registry.instances(service) ?? []).map(hostView) }
}

function assertThere(registry: Registry, service: string): void {
  if (!registry.instances(service)) throw unknownService(service)
}

function unknownService(service: string): RollcallError {
  const message = `there is no service ${JSON.stringify(service)}`
  return new RollcallError('ROLLCALL_SERVICE_UNKNOWN', message, { field: 'service', value: service })
}
