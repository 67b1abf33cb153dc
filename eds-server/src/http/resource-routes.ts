/**
 * Listeners, routes, clusters and what else clients are served, as documents: the same JSON as in their own
 * configuration. What a document may say is checked behind the port.
 */
import { Type } from 'typebox'
import { noContent, problems } from './answers.ts'
import type { HttpApp, ResourcePort } from './context.ts'
import { groupQuery, resourceParams, resourcesQuery, resourceTypeParams } from './parameters.ts'
import { createdResourceAnswer, resourceAnswer, resourcesAnswer } from './resource-answers.ts'

const LIST = '/v1/resources'
const ONE = '/v1/resources/:type/:name'
/** Of a document as text. */
const DOCUMENT_BYTES_MAX = 1024 * 1024
const tags = ['resources']

const document = Type.Unsafe({
  type: 'object',
  additionalProperties: true,
  description: 'a resource as proto3 JSON with its @type, in snake_case or lowerCamelCase',
  examples: [
    {
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      name: 'example_cluster',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' }, service_name: 'myservice' },
      ignore_health_on_host_removal: true,
    },
  ],
})

export function resourceRoutes(app: HttpApp, resources: ResourcePort): void {
  listRoutes(app, resources)
  readRoute(app, resources)
  writeRoute(app, resources)
  deleteRoute(app, resources)
}

function listRoutes(app: HttpApp, resources: ResourcePort): void {
  app.get(
    LIST,
    {
      schema: {
        summary: 'List what clients are served',
        description:
          'Of every group, or of one. With view=full the resources themselves; secrets are never shown. Errors name the files and stored resources that are not in force as they are, and why.',
        tags,
        querystring: resourcesQuery,
        response: { 200: resourcesAnswer, ...problems(400) },
      },
    },
    ({ query: { group, view } }, reply) => {
      const list = resources.list({ full: view === 'full', ...(group !== undefined && { group }) })
      reply.send({ resources: list, errors: resources.errors() })
    },
  )
  app.get(
    `${LIST}/:type`,
    {
      schema: {
        summary: 'List the resources of one type',
        description: 'As the list of all; the errors are those of all types.',
        tags,
        params: resourceTypeParams,
        querystring: resourcesQuery,
        response: { 200: resourcesAnswer, ...problems(400, 404) },
      },
    },
    ({ params: { type }, query: { group, view } }, reply) => {
      const list = resources.list({ type, full: view === 'full', ...(group !== undefined && { group }) })
      reply.send({ resources: list, errors: resources.errors() })
    },
  )
}

function readRoute(app: HttpApp, resources: ResourcePort): void {
  app.get(
    ONE,
    {
      schema: {
        summary: 'Read a resource',
        description: 'What the clients of the group get under this name, wherever it comes from.',
        tags,
        params: resourceParams,
        querystring: groupQuery,
        response: { 200: resourceAnswer, ...problems(400, 404) },
      },
    },
    ({ params, query: { group = '' } }, reply) => {
      reply.send(resources.get({ ...params, group }))
    },
  )
}

function writeRoute(app: HttpApp, resources: ResourcePort): void {
  app.put(
    ONE,
    {
      bodyLimit: DOCUMENT_BYTES_MAX,
      config: { documented: { requiredBody: document } },
      schema: {
        summary: 'Add or replace a resource',
        description:
          'It hides a resource of the same name from a file. Refused with the path of what is wrong: unknown types and fields, wrong values, references to what is not there. Then nothing changes.',
        tags,
        params: resourceParams,
        querystring: groupQuery,
        response: {
          200: resourceAnswer,
          201: createdResourceAnswer,
          ...problems(400, 404, 409, 413, 503, 507),
        },
      },
    },
    ({ params, query: { group = '' }, body }, reply) => {
      const { result, view } = resources.put({ ...params, group }, body)
      reply.code(result === 'created' ? 201 : 200).send(view)
    },
  )
}

function deleteRoute(app: HttpApp, resources: ResourcePort): void {
  app.delete(
    ONE,
    {
      schema: {
        summary: 'Delete a resource that was put',
        description:
          'Of that very group. A resource of the same name from a file is served again. Refused while others refer to it.',
        tags,
        params: resourceParams,
        querystring: groupQuery,
        response: { 204: noContent, ...problems(400, 404, 409, 413, 503) },
      },
    },
    ({ params, query: { group = '' } }, reply) => {
      resources.delete({ ...params, group })
      reply.code(204).send()
    },
  )
}
