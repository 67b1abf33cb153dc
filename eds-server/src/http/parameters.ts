/** What paths, queries and headers may say. */
import { type Static, type TObject, type TOptional, type TString, type TUnsafe, Type } from 'typebox'
import { closed, instanceId, leaseSecret, serviceName } from './fields.ts'

export const instanceParams: TObject<{ service: TString; instanceId: TString }> = Type.Object({
  service: serviceName,
  instanceId,
})
export type InstanceParams = Static<typeof instanceParams>

export const serviceParams: TObject<{ service: TString }> = Type.Object({ service: serviceName })

export const hostParams: TObject<{ service: TString; host: TString }> = Type.Object({
  service: serviceName,
  host: Type.String({
    description: 'an address, with a port where several instances share it: 127.0.0.1 or 127.0.0.1:8083',
    examples: ['127.0.0.1:8083'],
  }),
})

export const nodeParams: TObject<{ node: TString }> = Type.Object({
  node: Type.String({ description: 'the id of a client, as in /v1/nodes', examples: ['test-id'] }),
})

export const nodeConfigQuery: TObject<{ type: TOptional<TString> }> = Type.Object(
  {
    type: Type.Optional(
      Type.String({ description: 'only this type, as in /v1/resources/:type', examples: ['endpoints'] }),
    ),
  },
  closed,
)

export const repoParams: TObject<{ repo: TString }> = Type.Object({
  repo: Type.String({ description: 'the service_repo_name of a registration', examples: ['myservice'] }),
})

const timeout: TString = Type.String({
  description: 'a duration such as 500ms, 5s or 1m, at most 1m. Default 5s',
  examples: ['2s'],
})

export const waitQuery: TObject<{ wait: TOptional<TUnsafe<'acked'>>; timeout: TOptional<TString> }> =
  Type.Object(
    {
      wait: Type.Optional(
        Type.Unsafe<'acked'>({
          type: 'string',
          enum: ['acked'],
          description: '"acked". Answer when every client knows of the change, or at the timeout',
        }),
      ),
      timeout: Type.Optional(timeout),
    },
    closed,
  )
export type WaitQuery = Static<typeof waitQuery>

export const deliveryQuery: TObject<{ state: TUnsafe<'live' | 'gone'>; timeout: TOptional<TString> }> =
  Type.Object(
    {
      state: Type.Unsafe<'live' | 'gone'>({
        type: 'string',
        enum: ['live', 'gone'],
        description: '"live" or "gone". Wait until every client knows the instance, or until none does',
        examples: ['live'],
      }),
      timeout: Type.Optional(timeout),
    },
    closed,
  )

export const eventsQuery: TObject<{ service: TOptional<TString> }> = Type.Object(
  { service: Type.Optional(serviceName) },
  closed,
)

export const endpointQuery: TObject<{ endpoint: TString; service: TOptional<TString> }> = Type.Object(
  {
    endpoint: Type.String({
      description: 'an address and a port such as 127.0.0.1:8081 or [fd00::1]:8081',
      examples: ['127.0.0.1:8082'],
    }),
    service: Type.Optional(serviceName),
  },
  closed,
)

const group: TString = Type.String({
  maxLength: 1024,
  description: 'a group of clients; missing or empty: all that have no resource of this name of their own',
})

export const resourceTypeParams: TObject<{ type: TString }> = Type.Object({
  type: Type.String({
    description:
      'one of clusters, endpoints, listeners, routes, scoped-routes, virtual-hosts, secrets, runtime, extension-configs',
    examples: ['clusters'],
  }),
})

export const resourceParams: TObject<{ type: TString; name: TString }> = Type.Object({
  ...resourceTypeParams.properties,
  name: Type.String({
    description: 'the name of a resource, percent-encoded',
    examples: ['example_cluster'],
  }),
})

export const groupQuery: TObject<{ group: TOptional<TString> }> = Type.Object(
  { group: Type.Optional(group) },
  closed,
)

export const resourcesQuery: TObject<{ group: TOptional<TString>; view: TOptional<TUnsafe<'full'>> }> =
  Type.Object(
    {
      group: Type.Optional(group),
      view: Type.Optional(
        Type.Unsafe<'full'>({
          type: 'string',
          enum: ['full'],
          description: '"full". With the resources themselves, and not only names and versions',
        }),
      ),
    },
    closed,
  )

export const noQuery: TObject<Record<never, never>> = Type.Object({}, closed)

/** The headers of the lease holder, for the document; lease-headers.ts reads them. */
export const leaseHeaders: TObject = Type.Object({
  'rollcall-lease-secret': leaseSecret,
  'rollcall-incarnation': Type.String({
    pattern: '^[0-9]{1,16}$',
    description: 'an incarnation: the number that the registration answered',
    examples: ['1'],
  }),
})

/** Brought by the caller, a secret makes a repeated registration one. */
export const secretHeader: TObject = Type.Object({ 'rollcall-lease-secret': Type.Optional(leaseSecret) })

export const optionalLeaseHeaders: TObject = Type.Partial(leaseHeaders)
