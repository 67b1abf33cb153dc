/** What a policy file may say. The descriptions begin with what is allowed, as a noun phrase up to the first full stop. */
import { type TSchema, Type } from 'typebox'

const closed = { additionalProperties: false }
const name = { minLength: 1, maxLength: 253 }

/** Fields of an Envoy message as proto3 JSON; null takes a field away (RFC 7396). */
const Overrides = Type.Record(Type.String(), Type.Unknown(), {
  description: 'a map of fields of the Envoy message. Merged over what Rollcall makes; null removes a field',
})

const RouteRule = Type.Object(
  {
    listeners: Type.Optional(
      Type.Array(Type.String(name), { description: 'a list of names of listeners. Default: all of them' }),
    ),
    hosts: Type.Optional(
      Type.Array(Type.String(name), {
        minItems: 1,
        description: 'a list of Host patterns, `{service}` stands for the service. Default: every host',
      }),
    ),
    prefix: Type.Optional(
      Type.String({
        pattern: '^/',
        maxLength: 1024,
        description:
          'a path that begins with "/". `{service}` stands for the service. Default: /{service}, or / where hosts are given',
      }),
    ),
    strip_prefix: Type.Optional(
      Type.Boolean({
        description: 'true or false. The upstream sees the path without the prefix; default true',
      }),
    ),
    subset: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'a map of metadata. Only instances with these values get the requests',
      }),
    ),
    route: Type.Optional(Overrides),
  },
  { ...closed, description: 'a route rule' },
)

const ServiceRule = Type.Object(
  {
    match: Type.String({
      pattern: '^[A-Za-z0-9*._-]{1,253}$',
      description: 'a service name in which "*" stands for any text',
    }),
    cluster: Type.Optional(
      Type.Union([Type.Literal(false), Overrides], {
        description: 'false, or a map of fields of Cluster. False: no cluster and no route are made',
      }),
    ),
    health_check: Type.Optional(
      Type.Union(
        [Type.Literal(false), Type.Literal('grpc'), Type.String({ pattern: '^/', maxLength: 1024 })],
        {
          description: 'false, "grpc" or a path that begins with "/". Default: /healthz',
        },
      ),
    ),
    protocol: Type.Optional(
      Type.Union([Type.Literal('http1'), Type.Literal('http2')], {
        description: 'http1 or http2. What the instances speak; default http1',
      }),
    ),
    locality_weighted: Type.Optional(
      Type.Boolean({ description: 'true or false. Each locality gets its share by weight; default false' }),
    ),
    subsets: Type.Optional(
      Type.Array(Type.Array(Type.String({ minLength: 1, maxLength: 63 }), { minItems: 1 }), {
        description: 'a list of lists of metadata keys. By their values routes can choose instances',
      }),
    ),
    routes: Type.Optional(
      Type.Array(RouteRule, { description: 'a list of route rules. Default: one, empty' }),
    ),
  },
  { ...closed, description: 'a service rule' },
)

const ListenerRule = Type.Object(
  {
    name: Type.String({ ...name, description: 'a name of 1 to 253 characters' }),
    address: Type.Optional(Type.String({ ...name, description: 'an IP address. Default 127.0.0.1' })),
    port: Type.Integer({ minimum: 1, maximum: 65535, description: 'a port: an integer from 1 to 65535' }),
    group: Type.Optional(
      Type.String({
        ...name,
        description: 'a node group. Only its nodes get the listener; default: all nodes',
      }),
    ),
    listener: Type.Optional(Overrides),
  },
  { ...closed, description: 'a listener rule' },
)

export const policySchema: TSchema = Type.Object(
  {
    listeners: Type.Optional(Type.Array(ListenerRule, { description: 'a list of listener rules' })),
    services: Type.Array(ServiceRule, {
      minItems: 1,
      description: 'a list of service rules. The first that matches a service counts',
    }),
  },
  { ...closed, description: 'a policy' },
)
