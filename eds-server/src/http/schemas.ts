/**
 * What bodies may say: with fields.ts and parameters.ts the one source of the handlers' types, of validation and of
 * the OpenAPI document. A field that is not named here is refused, never dropped.
 */
import {
  type Static,
  type TArray,
  type TBoolean,
  type TInteger,
  type TObject,
  type TOptional,
  type TString,
  type TUnsafe,
  Type,
} from 'typebox'
import type { Metadata, Status } from '../registry/instance.ts'
import {
  closed,
  EXAMPLE_SECRET,
  incarnation,
  instanceId,
  leaseSecret,
  localityPart,
  metadata,
  port,
  serviceName,
  stalled,
  status,
  weight,
} from './fields.ts'

export const registrationBody: TObject<{
  address: TOptional<TString>
  port: TInteger
  status: TOptional<TUnsafe<Status>>
  weight: TOptional<TInteger>
  locality: TOptional<
    TObject<{ region: TOptional<TString>; zone: TOptional<TString>; subZone: TOptional<TString> }>
  >
  priority: TOptional<TInteger>
  canary: TOptional<TBoolean>
  metadata: TOptional<TUnsafe<Metadata>>
  ttlMs: TOptional<TInteger>
}> = Type.Object(
  {
    address: Type.Optional(
      Type.String({
        description: 'a literal IPv4 or IPv6 address. Default: the address that the caller speaks from',
      }),
    ),
    port,
    status: Type.Optional(status),
    weight: Type.Optional(weight),
    locality: Type.Optional(
      Type.Object(
        {
          region: Type.Optional(localityPart),
          zone: Type.Optional(localityPart),
          subZone: Type.Optional(localityPart),
        },
        { ...closed, description: 'an object with region, zone and subZone' },
      ),
    ),
    priority: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 127,
        description: 'an integer from 0 (first) to 127. Default 0',
      }),
    ),
    canary: Type.Optional(Type.Boolean({ description: 'true or false. Default false' })),
    metadata: Type.Optional(metadata),
    ttlMs: Type.Optional(
      Type.Integer({
        minimum: 100,
        maximum: 3_600_000,
        description:
          'an integer from 100 to 3,600,000, in milliseconds. The lease lapses so long after a heartbeat; default: --lease-ttl',
      }),
    ),
  },
  {
    ...closed,
    description: 'a JSON object with at least a port',
    examples: [
      { address: '127.0.0.1', port: 8081, locality: { zone: 'eu-1a' }, metadata: { version: '1.4.0' } },
    ],
  },
)
export type RegistrationBody = Static<typeof registrationBody>

export const heartbeatBody: TObject<{
  status: TOptional<TUnsafe<Status>>
  stalled: TOptional<TBoolean>
}> = Type.Object(
  { status: Type.Optional(status), stalled: Type.Optional(stalled) },
  {
    ...closed,
    description: 'a JSON object with at most status and stalled, or no body',
    examples: [{ status: 'healthy' }],
  },
)

export const patchBody: TObject<{
  weight: TOptional<TInteger>
  status: TOptional<TUnsafe<Status>>
  metadata: TOptional<TUnsafe<Metadata>>
}> = Type.Object(
  { weight: Type.Optional(weight), status: Type.Optional(status), metadata: Type.Optional(metadata) },
  {
    ...closed,
    minProperties: 1,
    description: 'a JSON object with at least one of weight, status and metadata',
    examples: [{ weight: 10 }],
  },
)

export const batchBody: TObject<{
  heartbeats: TArray<
    TObject<{
      service: TString
      instanceId: TString
      incarnation: TInteger
      leaseSecret: TString
      status: TOptional<TUnsafe<Status>>
      stalled: TOptional<TBoolean>
    }>
  >
}> = Type.Object(
  {
    heartbeats: Type.Array(
      Type.Object(
        {
          service: serviceName,
          instanceId,
          incarnation,
          leaseSecret,
          status: Type.Optional(status),
          stalled: Type.Optional(stalled),
        },
        { ...closed, description: 'a heartbeat' },
      ),
      { minItems: 1, maxItems: 1_000, description: 'an array of 1 to 1,000 heartbeats' },
    ),
  },
  {
    ...closed,
    description: 'a JSON object with heartbeats',
    examples: [
      {
        heartbeats: [
          { service: 'myservice', instanceId: 'myservice-1', incarnation: 1, leaseSecret: EXAMPLE_SECRET },
        ],
      },
    ],
  },
)
