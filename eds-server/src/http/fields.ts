/**
 * The fields that requests are made of. Each description begins with what is allowed, as a noun phrase up to the
 * first full stop: refusals quote it.
 */
import { type TBoolean, type TInteger, type TString, type TUnsafe, Type } from 'typebox'
import { type Metadata, STATUSES, type Status } from '../registry/instance.ts'
import {
  INSTANCE_ID_PATTERN,
  INSTANCE_ID_RULE,
  LEASE_SECRET_PATTERN,
  LEASE_SECRET_RULE,
  LOCALITY_PATTERN,
  SERVICE_NAME_PATTERN,
  SERVICE_NAME_RULE,
} from './names.ts'

/** In examples only. */
export const EXAMPLE_SECRET = 'an-example-of-a-lease-secret-43-characters-xx'

export const closed: { readonly additionalProperties: false } = { additionalProperties: false }

export const serviceName: TString = Type.String({
  description: `${SERVICE_NAME_RULE}. Kept in lower case; "repo", "constructor" and "prototype" are reserved`,
  pattern: SERVICE_NAME_PATTERN,
  examples: ['myservice'],
})

export const instanceId: TString = Type.String({
  description: INSTANCE_ID_RULE,
  pattern: INSTANCE_ID_PATTERN,
  examples: ['myservice-1'],
})

export const status: TUnsafe<Status> = Type.Unsafe<Status>({
  type: 'string',
  enum: [...STATUSES],
  description: `one of ${STATUSES.join(', ')}. "starting" is not offered to clients yet; "draining" is leaving`,
})

export const stalled: TBoolean = Type.Boolean({
  description:
    'true or false. True while the main thread of the process is blocked: shown, logged and counted; clients are told nothing. Default false',
})

export const port: TInteger = Type.Integer({
  minimum: 1,
  maximum: 65_535,
  description: 'an integer from 1 to 65,535',
})

export const weight: TInteger = Type.Integer({
  minimum: 1,
  maximum: 65_535,
  description:
    'an integer from 1 to 65,535. Its share of the requests, relative to its neighbours. Default 1',
})

export const metadata: TUnsafe<Metadata> = Type.Unsafe<Metadata>({
  type: 'object',
  description: 'an object of at most 32 keys and 4 KiB. Values are text, finite numbers or booleans',
  additionalProperties: {
    type: ['string', 'number', 'boolean'],
    description: 'text, a finite number or a boolean',
  },
})

export const localityPart: TString = Type.String({
  pattern: LOCALITY_PATTERN,
  description: 'up to 128 printable ASCII characters',
})

export const incarnation: TInteger = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'an incarnation: the number that the registration answered',
})

export const leaseSecret: TString = Type.String({
  pattern: LEASE_SECRET_PATTERN,
  description: LEASE_SECRET_RULE,
  examples: [EXAMPLE_SECRET],
})
