/**
 * Finds the part of a JSON value that a message does not take. The library that reads it says which field of
 * which message, but not where in the document: so the parts are tried alone, the failing one is entered. Only
 * ever called for a document that failed.
 */
import { type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from '@bufbuild/protobuf'
import { messageRegistry } from '../xds/message-registry.ts'
import { isObject } from './json-tree.ts'
import { type Flaw, nearest, step } from './refusal.ts'
import { sensitiveFields } from './secrets.ts'

const ANY = 'google.protobuf.Any'
const TYPE_PREFIX = 'type.googleapis.com/'

/** What is wrong with `json`, which is known not to be a `desc`. */
export function blame(desc: DescMessage, json: JsonValue, path: string): Flaw {
  if (desc.typeName === ANY) return blameAny(json, path)
  const form = SPECIAL_FORMS[desc.typeName]
  if (form) return { path, reason: `is not ${form}`, value: json }
  if (!isObject(json)) return { path, reason: `is not an object (${desc.typeName})`, value: json }
  for (const [key, value] of Object.entries(json)) {
    const at = step(path, key)
    const field = desc.fields.find(({ name, jsonName }) => name === key || jsonName === key)
    if (!field) return { path: at, reason: unknownField(desc, key) }
    if (takes(desc, { [key]: value })) continue
    const flaw = blameField(desc, field, key, value, at)
    return sensitiveFields(desc).includes(field) ? { path: flaw.path, reason: flaw.reason } : flaw
  }
  return { path, reason: together(desc, json) }
}

function blameField(desc: DescMessage, field: DescField, key: string, value: JsonValue, path: string): Flaw {
  if (field.fieldKind === 'list') {
    if (!Array.isArray(value)) return { path, reason: 'is not a list', value }
    for (const [index, item] of value.entries()) {
      if (!takes(desc, { [key]: [item] })) return blameValue(field, item, step(path, index))
    }
  }
  if (field.fieldKind === 'map') {
    if (!isObject(value)) return { path, reason: 'is not an object', value }
    for (const [name, item] of Object.entries(value)) {
      if (!takes(desc, { [key]: { [name]: item } })) return blameValue(field, item, step(path, name))
    }
  }
  return blameValue(field, value, path)
}

function blameValue(field: DescField, value: JsonValue, path: string): Flaw {
  if (field.message) return blame(field.message, value, path)
  if (field.enum) {
    const names = field.enum.values.map(({ name }) => name)
    return { path, reason: `is not one of ${names.join(', ')}`, value }
  }
  return { path, reason: `is not ${scalarForm(field.scalar)}`, value }
}

function blameAny(json: JsonValue, path: string): Flaw {
  if (!isObject(json)) return { path, reason: 'is not an object with an @type', value: json }
  const { '@type': typeUrl, ...fields } = json
  if (typeof typeUrl !== 'string' || typeUrl === '')
    return { path: step(path, '@type'), reason: 'is missing' }
  const desc = messageNamed(typeUrl)
  if (!desc) return { path: step(path, '@type'), reason: unknownType(typeUrl), value: typeUrl }
  if (!SPECIAL_FORMS[desc.typeName]) return blame(desc, fields, path)
  return blame(desc, fields.value ?? null, step(path, 'value'))
}

export function messageNamed(typeUrl: string): DescMessage | undefined {
  return messageRegistry().getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1))
}

/** Says what might have been meant: the same message elsewhere, or a similar name. */
export function unknownType(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
  const known = Array.from(messageRegistry()).flatMap(desc => (desc.kind === 'message' ? desc.typeName : []))
  const ending = `.${name.slice(name.lastIndexOf('.') + 1)}`
  const elsewhere = known.filter(each => each.endsWith(ending))
  const meant = elsewhere.length > 0 ? elsewhere.slice(0, 3) : nearest(name, known)
  const hint = meant.map(each => TYPE_PREFIX + each).join(', ')
  return `is a type that is not known${hint && `; known: ${hint}`}`
}

function unknownField(desc: DescMessage, key: string): string {
  const names = desc.fields.map(({ name }) => name)
  const meant = nearest(key, names)
  const listed = meant.length > 0 ? meant : names
  return `is not a field of ${desc.typeName}; there are: ${listed.join(', ') || 'none'}`
}

/** Each part alone is fine: it is two of them that do not go together. */
function together(desc: DescMessage, json: Readonly<Record<string, JsonValue>>): string {
  for (const { name, fields } of desc.oneofs) {
    const given = fields.filter(field => field.name in json || field.jsonName in json)
    if (given.length > 1) {
      return `has ${given.map(field => field.name).join(' and ')}, of which there may be one (${name})`
    }
  }
  const twice = desc.fields.find(
    field => field.name !== field.jsonName && field.name in json && field.jsonName in json,
  )
  return twice ? `has both ${twice.name} and ${twice.jsonName}` : `is not a ${desc.typeName}`
}

function takes(desc: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(desc, json, { registry: messageRegistry() })
    return true
  } catch (error) {
    if (error instanceof Error) return false
    throw error
  }
}

function scalarForm(type: ScalarType | undefined): string {
  if (type === ScalarType.STRING) return 'a text'
  if (type === ScalarType.BOOL) return 'true or false'
  if (type === ScalarType.BYTES) return 'base64'
  if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return 'a number'
  return type !== undefined && UNSIGNED.has(type) ? 'an unsigned integer in range' : 'an integer in range'
}

const UNSIGNED = new Set([ScalarType.UINT32, ScalarType.UINT64, ScalarType.FIXED32, ScalarType.FIXED64])

/** Messages whose JSON is not an object of their fields. */
const SPECIAL_FORMS: Readonly<Record<string, string>> = {
  'google.protobuf.Duration': 'a duration such as 1.5s',
  'google.protobuf.Timestamp': 'a time such as 2026-01-31T12:00:00Z',
  'google.protobuf.FieldMask': 'a text of field names with commas',
  'google.protobuf.Struct': 'an object',
  'google.protobuf.Value': 'a JSON value',
  'google.protobuf.ListValue': 'a list',
  'google.protobuf.BoolValue': 'true or false',
  'google.protobuf.StringValue': 'a text',
  'google.protobuf.BytesValue': 'base64',
  'google.protobuf.DoubleValue': 'a number',
  'google.protobuf.FloatValue': 'a number',
  'google.protobuf.Int32Value': 'an integer in range',
  'google.protobuf.Int64Value': 'an integer in range',
  'google.protobuf.UInt32Value': 'an unsigned integer in range',
  'google.protobuf.UInt64Value': 'an unsigned integer in range',
}
