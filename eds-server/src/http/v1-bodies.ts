/**
 * What callers of the first generation write: forms, where every value is text and `tags` is JSON in text, or the
 * same fields as JSON. Read by hand, since the two differ in every type.
 */
import { type TSchema, Type } from 'typebox'
import { invalidArgument, RollcallError } from '../errors.ts'
import type { Metadata } from '../registry/instance.ts'
import { LOCALITY_PATTERN, parseMetadata } from './names.ts'

export interface V1Registration {
  /** As given; undefined: the caller's own address. */
  readonly ip: string | undefined
  readonly port: number
  readonly zone?: string
  readonly region?: string
  readonly canary?: boolean
  readonly weight?: number
  /** `revision`, `service_repo_name` and the tags that are nothing else here. */
  readonly metadata: Metadata
}

type Fields = ReadonlyMap<string, unknown>

const REGISTRATION_FIELDS = ['ip', 'auto_ip', 'port', 'revision', 'service_repo_name', 'tags']
const locality = new RegExp(LOCALITY_PATTERN)

/** Throws ROLLCALL_INVALID_ARGUMENT that names the field. */
export function registrationIn(body: unknown): V1Registration {
  const fields = fieldsIn(body, REGISTRATION_FIELDS)
  const tags = tagsIn(fields.get('tags'))
  const isAutomatic = ['true', '1', true].includes(fields.get('auto_ip') as string)
  if (fields.get('ip') === undefined && !isAutomatic) throw missing('ip')
  const [zone, region] = [placeIn(tags, 'az'), placeIn(tags, 'region')]
  const canary = canaryIn(tags)
  const weight = tags.has('load_balancing_weight') ? weightIn(tags, 'tags.') : undefined
  const own = ['az', 'region', 'canary', 'load_balancing_weight']
  const others = [...tags].filter(([key]) => !own.includes(key))
  const said = ['revision', 'service_repo_name'].flatMap(key => {
    const text = textIn(fields, key)
    return text === undefined || text === '' ? [] : [[key, text] as const]
  })
  return {
    ip: isAutomatic ? undefined : textIn(fields, 'ip'),
    port: numberIn(fields, 'port', 65_535),
    ...(zone !== undefined && { zone }),
    ...(region !== undefined && { region }),
    ...(canary !== undefined && { canary }),
    ...(weight !== undefined && { weight }),
    metadata: parseMetadata(Object.fromEntries([...others, ...said]), 'tags'),
  }
}

/** 1 to 100. */
export function weightOf(body: unknown): number {
  return weightIn(fieldsIn(body, ['load_balancing_weight']), '')
}

/** The fields of a form, for the content type parser; each at most once. */
export function parseForm(bytes: Buffer): Fields {
  const fields = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(bytes.toString())) {
    const field = name.slice(0, 100)
    if (fields.has(field)) throw invalidArgument(field, value, 'given once')
    fields.set(field, value)
  }
  return fields
}

function fieldsIn(body: unknown, known: readonly string[]): Fields {
  const fields = body instanceof Map ? (body as Fields) : new Map(Object.entries(objectIn(body, 'body')))
  for (const [field, value] of fields) {
    if (!known.includes(field)) {
      throw invalidArgument(
        field.slice(0, 100),
        plain(value),
        `a field that exists; there are: ${known.join(', ')}`,
      )
    }
  }
  return fields
}

function tagsIn(given: unknown): Fields {
  if (given === undefined || given === '') return new Map()
  let value = given
  if (typeof given === 'string') {
    try {
      value = JSON.parse(given)
    } catch (cause) {
      const details = { field: 'tags', value: given, cause }
      throw new RollcallError('ROLLCALL_INVALID_ARGUMENT', 'tags: is not JSON', details)
    }
  }
  // A tag without a value is as none: that is how such callers leave one out.
  return new Map(Object.entries(objectIn(value, 'tags')).filter(([, each]) => each !== null))
}

function placeIn(tags: Fields, tag: string): string | undefined {
  const value = tags.get(tag)
  if (value === undefined || (typeof value === 'string' && locality.test(value))) return value
  throw invalidArgument(`tags.${tag}`, plain(value), 'up to 128 printable ASCII characters')
}

function canaryIn(tags: Fields): boolean | undefined {
  const value = tags.get('canary')
  if (value === undefined || typeof value === 'boolean') return value
  throw invalidArgument('tags.canary', plain(value), 'true or false')
}

function weightIn(fields: Fields, path: string): number {
  return numberIn(fields, 'load_balancing_weight', 100, path)
}

/** A number, or in a form its digits. */
function numberIn(fields: Fields, field: string, most: number, path = ''): number {
  const value = fields.get(field)
  if (value === undefined) throw missing(`${path}${field}`)
  const number = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value
  if (Number.isInteger(number) && (number as number) >= 1 && (number as number) <= most)
    return number as number
  throw invalidArgument(`${path}${field}`, plain(value), `an integer from 1 to ${most}`)
}

function textIn(fields: Fields, field: string): string | undefined {
  const value = fields.get(field)
  if (value === undefined || typeof value === 'string') return value
  throw invalidArgument(field, plain(value), 'text')
}

function objectIn(value: unknown, field: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  if (value === undefined || value === null) throw missing(field)
  throw invalidArgument(field, plain(value), 'an object')
}

function missing(field: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: is missing`, { field })
}

/** Composites are named, not repeated. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : value
}

const text = Type.String()

/** For the document. */
export const registrationSchema: TSchema = Type.Object(
  {
    ip: Type.Optional(text),
    auto_ip: Type.Optional(Type.Boolean({ description: 'Take the address that the caller speaks from' })),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    revision: Type.Optional(text),
    service_repo_name: Type.Optional(text),
    tags: Type.Optional(
      Type.Object(
        {
          az: Type.Optional(text),
          region: Type.Optional(text),
          canary: Type.Optional(Type.Boolean()),
          load_balancing_weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
        },
        { additionalProperties: true, description: 'Others are kept as metadata. In a form: JSON as text' },
      ),
    ),
  },
  {
    additionalProperties: false,
    examples: [
      {
        ip: '127.0.0.1',
        port: 8083,
        revision: 'a1b2c3',
        tags: { az: 'eu-1', region: 'eu', instance_id: 'i-1' },
      },
    ],
  },
)

export const weightSchema: TSchema = Type.Object(
  { load_balancing_weight: Type.Integer({ minimum: 1, maximum: 100 }) },
  { additionalProperties: false, examples: [{ load_balancing_weight: 50 }] },
)
