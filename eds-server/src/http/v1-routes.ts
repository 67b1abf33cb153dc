/**
 * The first generation of discovery, and the registration calls that its servers had: forms or JSON, an instance
 * named by its address. Two things are other than they were there: an address and port is one instance, where it
 * was the address alone; and nothing runs out, where it did after ten minutes.
 */
import { isIP } from 'node:net'
import { RollcallError } from '../errors.ts'
import { putHost } from '../registry/hosts.ts'
import type { Instance } from '../registry/instance.ts'
import { unknownAddress } from '../registry/refusals.ts'
import type { Registry } from '../registry/registry.ts'
import { canonicalAddress, parseHostPort } from './address-text.ts'
import { emptyAnswer, noContent, problems, v1Answer, v1RepoAnswer } from './answers.ts'
import type { HttpApp, HttpContext } from './context.ts'
import { assertReady } from './discovery-routes.ts'
import { parseMetadata, parseServiceName } from './names.ts'
import { hostParams, noQuery, repoParams, serviceParams } from './parameters.ts'
import { parseForm, registrationIn, registrationSchema, weightOf, weightSchema } from './v1-bodies.ts'
import { v1Hosts } from './v1-hosts.ts'

const ENV = 'default'
const FORM = 'application/x-www-form-urlencoded'
const V1_BYTES_MAX = 1024 * 1024
const tags = ['v1']
const consumes = ['application/json', FORM]

/** What is polled. */
export function v1ReadRoutes(app: HttpApp, context: HttpContext): void {
  const { registry } = context
  app.get(
    '/v1/registration/:service',
    {
      schema: {
        summary: 'Fetch hosts, protocol v1',
        description:
          'The hosts to use; none for a service never heard of. Weights are scaled to 1 to 100. Unwell and leaving hosts are left out as long as there are others.',
        tags,
        params: serviceParams,
        querystring: noQuery,
        response: { 200: v1Answer, ...problems(400, 503) },
      },
    },
    ({ params }, reply) => {
      assertReady(context)
      const service = parseServiceName(params.service)
      reply.send({ service, env: ENV, hosts: v1Hosts(registry.instances(service) ?? []) })
    },
  )
  app.get(
    '/v1/registration/repo/:repo',
    {
      schema: {
        summary: 'Fetch hosts by repository, protocol v1',
        description: 'The hosts of every service that registered with this service_repo_name.',
        tags,
        params: repoParams,
        querystring: noQuery,
        response: { 200: v1RepoAnswer, ...problems(400, 503) },
      },
    },
    ({ params: { repo } }, reply) => {
      assertReady(context)
      const all = Array.from(registry.services()).flatMap(service =>
        v1Hosts(registry.instances(service) ?? []),
      )
      reply.send({
        service_repo_name: repo,
        env: ENV,
        hosts: all.filter(({ service_repo_name: name }) => name === repo),
      })
    },
  )
}

/** What changes something; in a scope of its own, since no other route takes forms. */
export function v1WriteRoutes(app: HttpApp, context: HttpContext): void {
  app.addContentTypeParser(FORM, { parseAs: 'buffer' }, (_request, bytes: Buffer, done) => {
    try {
      done(null, parseForm(bytes))
    } catch (refusal) {
      done(refusal as RollcallError)
    }
  })
  registerRoute(app, context)
  deregisterRoute(app, context, '')
  deregisterRoute(app, context, '/')
  weightRoute(app, context, '/v1/loadbalancing/:service')
  weightRoute(app, context, '/v1/loadbalancing/:service/:host')
}

function registerRoute(app: HttpApp, { registry, admitAddress }: HttpContext): void {
  app.post(
    '/v1/registration/:service',
    {
      bodyLimit: V1_BYTES_MAX,
      config: { persists: true, documented: { requiredBody: registrationSchema } },
      schema: {
        summary: 'Register a host, protocol v1',
        description:
          'A form is answered 200, JSON 202. Registering a host again merges its tags with those that it has.',
        tags,
        consumes,
        params: serviceParams,
        querystring: noQuery,
        response: { 200: emptyAnswer, 202: emptyAnswer, ...problems(400, 413, 503, 507) },
      },
    },
    ({ params, body, socket }, reply) => {
      const service = parseServiceName(params.service)
      const { ip = socket.remoteAddress ?? '', metadata, ...said } = registrationIn(body)
      const address = admitAddress(ip, said.port, { address: 'ip', port: 'port' })
      const present = registry.at(service, address, said.port)?.metadata
      const merged = parseMetadata({ ...present, ...metadata }, 'tags')
      putHost(registry, service, { ...said, address, metadata: merged })
      reply.code(body instanceof Map ? 200 : 202).send({})
    },
  )
}

function deregisterRoute(app: HttpApp, { registry }: HttpContext, ending: '' | '/'): void {
  app.delete(
    `/v1/registration/:service/:host${ending}`,
    {
      config: { persists: true },
      schema: {
        hide: ending !== '',
        summary: 'Remove a host, protocol v1',
        description:
          'By address (200), where one instance has it, or by address and port (202). Whoever registered it, and without a key.',
        tags,
        params: hostParams,
        querystring: noQuery,
        response: { 200: emptyAnswer, 202: emptyAnswer, ...problems(400, 404, 409, 413, 503) },
      },
    },
    ({ params }, reply) => {
      const service = parseServiceName(params.service)
      const { address, port } = theOneAt(registry, service, params.host)
      registry.removeAt(service, address, port)
      reply.code(isIP(params.host) === 0 ? 202 : 200).send({})
    },
  )
}

function weightRoute(app: HttpApp, { registry }: HttpContext, url: string): void {
  app.post<{ Params: { service: string; host?: string } }>(
    url,
    {
      bodyLimit: V1_BYTES_MAX,
      config: { persists: true, documented: { requiredBody: weightSchema } },
      schema: {
        summary: url.endsWith(':host') ? "Set a host's weight, protocol v1" : 'Set all weights, protocol v1',
        description: 'From 1 to 100: the share of the requests, relative to the other hosts.',
        tags,
        consumes,
        params: url.endsWith(':host') ? hostParams : serviceParams,
        querystring: noQuery,
        response: { 204: noContent, ...problems(400, 404, 409, 413, 503) },
      },
    },
    ({ params, body }, reply) => {
      const service = parseServiceName(params.service)
      const weight = weightOf(body)
      const { host } = params
      const changed = host === undefined ? allOf(registry, service) : [theOneAt(registry, service, host)]
      for (const { address, port } of changed) registry.amendAt(service, address, port, { weight })
      reply.code(204).send()
    },
  )
}

function allOf(registry: Registry, service: string): readonly Instance[] {
  const instances = registry.instances(service)
  if (instances) return instances
  const message = `there is no service ${JSON.stringify(service)}`
  throw new RollcallError('ROLLCALL_SERVICE_UNKNOWN', message, { field: 'service', value: service })
}

/** `host` is an address, with or without a port. */
function theOneAt(registry: Registry, service: string, host: string): Instance {
  const instances = registry.instances(service) ?? []
  if (isIP(host) === 0) {
    const { address, port } = parseHostPort(host, 'host')
    const instance = registry.at(service, address, port)
    if (instance) return instance
    throw unknownAddress(service, host)
  }
  const given = canonicalAddress(host, 'host')
  const [first, second] = instances.filter(({ address }) => address === given)
  if (!first) throw unknownAddress(service, host)
  if (!second) return first
  const message = `service ${JSON.stringify(service)} has several instances at ${host}: name the port too`
  throw new RollcallError('ROLLCALL_ADDRESS_AMBIGUOUS', message, { field: 'host', value: host })
}
