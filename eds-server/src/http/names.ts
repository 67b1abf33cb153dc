/**
 * The grammar of names and metadata: what may become a name in the registry. Pure. Every refusal names the
 * field, the value and what is allowed. Names that pass are safe in logs, paths and labels (F56, F57).
 */
import { invalidArgument, RollcallError } from '../errors.ts'
import { type Metadata, type MetadataValue, NO_METADATA } from '../registry/instance.ts'

export const SERVICE_NAME_PATTERN = '^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$'
export const SERVICE_NAME_RULE =
  'a service name: 1 to 253 of A-Z, a-z, 0-9, ".", "_", "-", first and last a letter or digit, and not reserved'
export const INSTANCE_ID_PATTERN = '^[A-Za-z0-9._:-]{1,128}$'
export const INSTANCE_ID_RULE =
  'an instance id: 1 to 128 of A-Z, a-z, 0-9, ".", "_", ":", "-", and not "." or ".."'
export const LEASE_SECRET_PATTERN = '^[A-Za-z0-9_-]{43,128}$'
export const LEASE_SECRET_RULE = 'a lease secret: 43 to 128 base64url characters'
export const LOCALITY_PATTERN = '^[ -~]{0,128}$'

const METADATA_KEYS_MAX = 32
const METADATA_BYTES_MAX = 4096

const serviceName = new RegExp(SERVICE_NAME_PATTERN)
const instanceId = new RegExp(INSTANCE_ID_PATTERN)
const leaseSecret = new RegExp(LEASE_SECRET_PATTERN)
const metadataKey = /^[A-Za-z0-9_.-]{1,63}$/

/** Words that mean something to JavaScript or to older registries (F57). */
const RESERVED_SERVICES = new Set(['repo', 'constructor', 'prototype'])
const POISON_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/** The service name in lower case. ASCII is checked first: some other letters have an ASCII lower case. */
export function parseServiceName(text: string, field = 'service'): string {
  const name = serviceName.test(text) ? text.toLowerCase() : undefined
  if (name === undefined || RESERVED_SERVICES.has(name)) throw invalidArgument(field, text, SERVICE_NAME_RULE)
  return name
}

/** `.` and `..` are refused: URL parsers fold them away, so such an instance could not be reached again. */
export function parseInstanceId(text: string, field = 'instanceId'): string {
  if (instanceId.test(text) && text !== '.' && text !== '..') return text
  throw invalidArgument(field, text, INSTANCE_ID_RULE)
}

export function isLeaseSecret(text: unknown): text is string {
  return typeof text === 'string' && leaseSecret.test(text)
}

/** A null-prototype, frozen copy. At most 32 keys and 4 KiB as JSON; values are finite numbers, text, booleans. */
export function parseMetadata(given: Readonly<Record<string, unknown>>, field = 'metadata'): Metadata {
  const keys = Object.keys(given)
  if (keys.length > METADATA_KEYS_MAX) {
    throw tooMuch(field, `${keys.length} keys`, `${METADATA_KEYS_MAX}`)
  }
  if (keys.length === 0) return NO_METADATA
  const metadata: Record<string, MetadataValue> = Object.create(null)
  for (const key of keys) {
    if (!metadataKey.test(key) || POISON_KEYS.has(key)) {
      throw invalidArgument(
        `${field}.${key.slice(0, 100)}`,
        key,
        'a metadata key: 1 to 63 of A-Z, a-z, 0-9, "_", ".", "-"',
      )
    }
    metadata[key] = metadataValue(given[key], `${field}.${key}`)
  }
  const bytes = Buffer.byteLength(JSON.stringify(metadata))
  if (bytes > METADATA_BYTES_MAX) {
    throw tooMuch(field, `${bytes} bytes as JSON`, `${METADATA_BYTES_MAX}`)
  }
  return Object.freeze(metadata)
}

function metadataValue(value: unknown, field: string): MetadataValue {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value
  // A lone surrogate has no UTF-8 form: clients would see another text than the one given.
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return value
  throw invalidArgument(
    field,
    typeof value === 'object' ? typeof value : value,
    'text, a finite number or a boolean',
  )
}

function tooMuch(field: string, size: string, limit: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: ${size} are more than ${limit}`, { field })
}
