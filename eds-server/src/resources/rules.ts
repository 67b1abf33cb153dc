/**
 * The rules that Envoy's .proto files put on their fields (protoc-gen-validate): required, lengths, ranges, listed
 * values. Envoy refuses what breaks them, and with it the whole response, so they are checked at admission.
 * What a rule says of one value is in value-rules.ts.
 */
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  hasOption,
  toJson,
} from '@bufbuild/protobuf'
import type { ReflectMessage } from '@bufbuild/protobuf/reflect'
import { messageRegistry } from '../xds/message-registry.ts'
import { isObject } from './json-tree.ts'
import { type Flaw, step } from './refusal.ts'
import { type Rules, valueFlaw } from './value-rules.ts'

/** What the fields of one kind of message must be. */
interface MessageRules {
  readonly fields: readonly { readonly field: DescField; readonly rules: Rules }[]
  readonly requiredOneofs: readonly DescOneof[]
}

const known = new WeakMap<DescMessage, MessageRules>()

/** The first field that breaks a rule; of this message alone, not of those inside it. */
export function ruleFlaw(message: ReflectMessage, path: string): Flaw | undefined {
  const { fields, requiredOneofs } = rulesOf(message.desc)
  for (const oneof of requiredOneofs) {
    if (message.oneofCase(oneof)) continue
    const names = oneof.fields.map(({ name }) => name).join(', ')
    return { path, reason: `lacks ${oneof.name}: one of ${names}` }
  }
  for (const { field, rules } of fields) {
    const flaw = fieldFlaw(message, field, rules, step(path, field.name))
    if (flaw) return flaw
  }
  return undefined
}

function fieldFlaw(message: ReflectMessage, field: DescField, rules: Rules, path: string): Flaw | undefined {
  // Only a field that cannot be told from one that is not given has its zero checked.
  if (!message.isSet(field) && hasPresence(field)) {
    // Of a oneof another member may be set; whether one has to be is a rule of the oneof.
    return isRequired(rules) && field.oneof === undefined ? { path, reason: 'is missing' } : undefined
  }
  if (field.fieldKind === 'list') return listFlaw(Array.from(message.get(field)), rules, path)
  if (field.fieldKind === 'map') return mapFlaw(Array.from(message.get(field)), rules, path)
  return valueFlaw(field, message.get(field), rules, path)
}

function listFlaw(items: readonly unknown[], { repeated = {} }: Rules, path: string): Flaw | undefined {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, unique, items: each } = repeated
  if (items.length < Number(minItems)) return { path, reason: `has fewer than ${minItems} items` }
  if (items.length > Number(maxItems)) return { path, reason: `has more than ${maxItems} items` }
  if (unique && new Set(items).size < items.length) return { path, reason: 'has an item twice' }
  for (const [index, item] of each ? items.entries() : []) {
    const flaw = each && valueFlaw(undefined, item, each, step(path, index))
    if (flaw) return flaw
  }
  return undefined
}

function mapFlaw(
  entries: readonly (readonly [unknown, unknown])[],
  { map = {} }: Rules,
  path: string,
): Flaw | undefined {
  const { minPairs = 0, maxPairs = Number.POSITIVE_INFINITY, keys, values } = map
  if (entries.length < Number(minPairs)) return { path, reason: `has fewer than ${minPairs} entries` }
  if (entries.length > Number(maxPairs)) return { path, reason: `has more than ${maxPairs} entries` }
  for (const [key, value] of entries) {
    const at = step(path, String(key))
    const flaw =
      (keys && valueFlaw(undefined, key, keys, at)) ?? (values && valueFlaw(undefined, value, values, at))
    if (flaw) return flaw
  }
  return undefined
}

function hasPresence(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false
  return field.fieldKind === 'message' || field.oneof !== undefined || field.proto.proto3Optional
}

function isRequired({ message, any, duration, timestamp }: Rules): boolean {
  return [message, any, duration, timestamp].some(rules => rules?.required === true)
}

function rulesOf(desc: DescMessage): MessageRules {
  const read = known.get(desc) ?? readRules(desc)
  known.set(desc, read)
  return read
}

function readRules(desc: DescMessage): MessageRules {
  const registry = messageRegistry()
  const [disabled, required, rules] = ['disabled', 'required', 'rules'].map(name =>
    registry.getExtension(`validate.${name}`),
  )
  if (!disabled || !required || !rules) throw new Error('the descriptor set lacks validate.proto')
  if (getOption(desc, disabled) === true) return { fields: [], requiredOneofs: [] }
  const fields = desc.fields.flatMap(field => {
    if (!hasOption(field, rules) || !rules.message) return []
    const read = toJson(rules.message, getOption(field, rules) as Parameters<typeof toJson>[1])
    return isObject(read) ? [{ field, rules: read as Rules }] : []
  })
  return { fields, requiredOneofs: desc.oneofs.filter(oneof => getOption(oneof, required) === true) }
}
