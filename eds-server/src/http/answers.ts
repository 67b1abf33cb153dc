/** What answers say, as schemas: they serialise the answers and describe them in the OpenAPI document. */
import { type TSchema, Type } from 'typebox'
import { ERROR_TABLE } from '../errors.ts'
import { STATUSES } from '../registry/instance.ts'
import { PROBLEM_TYPE } from './problem.ts'

const text: TSchema = Type.String()
const integer: TSchema = Type.Integer()

const instanceFields = {
  service: text,
  instanceId: text,
  incarnation: Type.Integer({ description: 'Names this life of the instance; show it with every heartbeat' }),
  address: text,
  port: integer,
  status: Type.Unsafe({ type: 'string', enum: [...STATUSES] }),
  weight: integer,
  locality: Type.Object({ region: text, zone: text, subZone: text }),
  priority: integer,
  canary: Type.Boolean(),
  metadata: Type.Unsafe({ type: 'object', additionalProperties: true }),
  lapsed: Type.Boolean({ description: 'True while its heartbeats are overdue' }),
  stalled: Type.Boolean({ description: 'True while its heartbeats say that its main thread is blocked' }),
  lease: Type.Optional(
    Type.Object(
      { ttlMs: integer, heartbeatIntervalMs: integer },
      { description: 'Missing for an instance that stays until it is removed' },
    ),
  ),
  registeredAt: Type.String({ format: 'date-time' }),
}

export const instanceAnswer: TSchema = Type.Object(instanceFields, { description: 'The instance' })

export const registrationAnswer: TSchema = Type.Object(
  { ...instanceFields, leaseSecret: Type.Optional(text) },
  { description: 'The instance and the secret of its lease' },
)

const report = {
  subscribers: Type.Integer({ description: 'Clients that subscribe to the service' }),
  acked: Type.Integer({ description: 'Those that know its present state' }),
  pending: Type.Array(
    Type.Object({
      node: text,
      cluster: text,
      state: Type.Unsafe({ type: 'string', enum: ['STALE', 'NACKED', 'NOT_SENT', 'DISCONNECTED'] }),
    }),
    {
      description:
        'Those that do not, by name. DISCONNECTED: its stream broke up to 6 s ago, it keeps what it has and is expected back',
    },
  ),
  incomplete: Type.Optional(
    Type.Boolean({
      description:
        'True in the first 6 s of a server that follows an earlier one: clients may not be back yet, and still have what it told them',
    }),
  ),
}

export const deliveryAnswer: TSchema = Type.Object(report, { description: 'Who knows' })

export const drainAnswer: TSchema = Type.Object(
  { instance: Type.Object(instanceFields), delivery: Type.Optional(Type.Object(report)) },
  { description: 'The draining instance, and who knows when that was asked' },
)

export const removalAnswer: TSchema = Type.Object(
  { delivery: Type.Object(report) },
  { description: 'Removed; who knows' },
)

export const batchAnswer: TSchema = Type.Object(
  {
    renewed: integer,
    refused: Type.Array(
      Type.Object({ service: text, instanceId: text, status: integer, code: text, detail: text }),
      { description: 'Each as its own heartbeat would have been answered' },
    ),
  },
  { description: 'How many leases were renewed, and which were not' },
)

export const servicesAnswer: TSchema = Type.Object(
  { services: Type.Array(Type.Object({ service: text, instances: integer, healthy: integer })) },
  { description: 'Every service that is known' },
)

export const instancesAnswer: TSchema = Type.Object(
  { service: text, instances: Type.Array(Type.Object(instanceFields)) },
  { description: 'Every instance of the service' },
)

export const nodesAnswer: TSchema = Type.Object(
  { nodes: Type.Array(Type.Unsafe({ type: 'object', additionalProperties: true })) },
  { description: 'Every connected client, and what it has of each type' },
)

export const endpointAnswer: TSchema = Type.Object(
  { service: text, endpoint: text, instanceId: text, incarnation: integer },
  { description: 'What was registered or removed' },
)

const hostFields = {
  ip_address: text,
  port: integer,
  tags: Type.Object({
    az: Type.Optional(text),
    canary: Type.Optional(Type.Boolean()),
    load_balancing_weight: integer,
  }),
}
const hostList = { service: text, hosts: Type.Array(Type.Object(hostFields)) }

export const hostListAnswer: TSchema = Type.Object(hostList, { description: 'The service and its hosts' })

export const hostListsAnswer: TSchema = Type.Object(
  { services: Type.Array(Type.Object(hostList)) },
  { description: 'Every service that is known, with its hosts' },
)

const v1Hosts = Type.Array(
  Type.Object({
    ip_address: text,
    port: integer,
    service: text,
    revision: text,
    service_repo_name: text,
    last_check_in: text,
    tags: Type.Unsafe({ type: 'object', additionalProperties: true }),
  }),
)

export const v1Answer: TSchema = Type.Object(
  { service: text, env: text, hosts: v1Hosts },
  { description: 'The hosts to use' },
)

export const v1RepoAnswer: TSchema = Type.Object(
  { service_repo_name: text, env: text, hosts: v1Hosts },
  { description: 'The hosts to use' },
)

export const emptyAnswer: TSchema = Type.Object({}, { description: 'Done' })

export const statusAnswer: TSchema = Type.Object({ status: text }, { description: 'It is' })

export const readyAnswer: TSchema = Type.Object(
  {
    status: text,
    warnings: Type.Optional(Type.Array(text, { description: 'What is wrong although it is ready' })),
  },
  { description: 'It is' },
)

export const noContent: TSchema = Type.Null({ description: 'Done' })

const problem: TSchema = Type.Object(
  {
    type: text,
    title: text,
    status: integer,
    detail: text,
    code: Type.Unsafe({ type: 'string', enum: Object.keys(ERROR_TABLE) }),
    field: Type.Optional(Type.String({ description: 'The offending field as a path' })),
    value: Type.Optional(Type.Unsafe({ description: 'The offending value, when it is a scalar' })),
  },
  { additionalProperties: false },
)

type ProblemResponse = { description: string; content: Record<string, { schema: TSchema }> }

/** The error answers of a route: those of `statuses`, and what any route can answer. */
export function problems(...statuses: readonly number[]): Record<number, ProblemResponse> {
  const codes = Object.entries(ERROR_TABLE)
  const described = [...statuses, 403, 415, 500].map(status => {
    const ofStatus = codes.filter(([code, { http }]) => http === status && !NEVER_ANSWERED.has(code))
    const description = ofStatus.map(([code, { title }]) => `${code}: ${title}`).join('; ')
    return [status, { description, content: { [PROBLEM_TYPE]: { schema: problem } } }] as const
  })
  return Object.fromEntries(described)
}

/** Errors of the process, not of a request. */
const NEVER_ANSWERED: ReadonlySet<string> = new Set(['ROLLCALL_OPTION_INVALID', 'ROLLCALL_PORT_IN_USE'])
