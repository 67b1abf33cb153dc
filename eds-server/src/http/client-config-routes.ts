/** What the connected clients have, resource by resource: for people, and by the protocol's own call. */
import { type TSchema, Type } from 'typebox'
import { problems } from './answers.ts'
import type { ClientConfigPort, HttpApp } from './context.ts'
import { nodeConfigQuery, nodeParams, noQuery } from './parameters.ts'

const CLIENT_STATUS = '/v3/discovery:client_status'
const REQUEST_BYTES_MAX = 1024 * 1024

const text: TSchema = Type.String()
const date: TSchema = Type.String({ format: 'date-time' })
const any: TSchema = Type.Unsafe({ type: 'object', additionalProperties: true })

const resourceFields = {
  name: text,
  state: Type.Unsafe({
    type: 'string',
    enum: ['SYNCED', 'STALE', 'NACKED', 'NOT_SENT'],
    description: 'STALE: sent and not answered; NACKED: refused as it is',
  }),
  version: Type.String({ description: 'Of what is held for the client; empty: there is no such resource' }),
  lastUpdated: Type.Optional(date),
  error: Type.Optional(Type.Object({ message: text, code: Type.Integer(), at: date })),
  resource: Type.Optional(
    Type.Unsafe({ description: 'Proto3 JSON with its @type; a secret is shown as [redacted]' }),
  ),
}

const typeFields = {
  type: Type.Optional(Type.String({ description: 'As in /v1/resources/:type' })),
  typeUrl: text,
  protocol: Type.Unsafe({ type: 'string', enum: ['sotw', 'delta', 'rest'] }),
  aggregated: Type.Boolean(),
  resources: Type.Array(Type.Object(resourceFields)),
}

const configAnswer: TSchema = Type.Object(
  {
    node: text,
    clients: Type.Array(
      Type.Object({
        cluster: text,
        peer: text,
        connectedAt: date,
        types: Type.Array(Type.Object(typeFields)),
      }),
    ),
  },
  { description: 'What the clients of this id have, by connection' },
)

export function clientConfigRoutes(app: HttpApp, clientConfig: ClientConfigPort): void {
  app.get(
    '/v1/nodes/:node/config',
    {
      schema: {
        summary: 'Read what a client has',
        description:
          'Each resource that the client asked for, with the state that it is in there, the reason where it was refused, and its content. Secrets are never shown.',
        tags: ['queries'],
        params: nodeParams,
        querystring: nodeConfigQuery,
        response: { 200: configAnswer, ...problems(400, 404, 507) },
      },
    },
    ({ params: { node }, query: { type } }, reply) => {
      reply.send(clientConfig.of(node, type))
    },
  )
}

/** Any host name, as for the rest of the protocol. */
export function clientStatusRoute(app: HttpApp, clientConfig: ClientConfigPort): void {
  const example = { node_matchers: [{ node_id: { exact: 'test-id' } }], exclude_resource_contents: true }
  const body = Type.Unsafe({
    type: 'object',
    additionalProperties: true,
    description: 'a ClientStatusRequest; without matchers every client is meant',
    examples: [example],
  })
  app.post(
    CLIENT_STATUS.replaceAll(':', '::'),
    {
      bodyLimit: REQUEST_BYTES_MAX,
      config: { documented: { requiredBody: body } },
      schema: {
        summary: 'Fetch client status (CSDS)',
        description:
          'ClientStatusDiscoveryService over REST: the state of each resource at each client that a matcher matches. Secrets are never shown.',
        tags: ['discovery'],
        querystring: noQuery,
        response: {
          200: {
            description: 'A ClientStatusResponse',
            content: { 'application/json': { schema: any } },
          },
          ...problems(400, 413, 507),
        },
      },
    },
    (request, reply) => {
      const answer = clientConfig.status(request.body)
      reply.header('content-type', 'application/json').send(Buffer.from(answer))
    },
  )
}
