/**
 * Which parts of a resource are secret: what the .proto files mark as sensitive (private keys, passwords, tokens)
 * and is written into the document. The name of a file on the client's machine is none.
 */
import { type DescField, type DescMessage, getOption, type JsonValue } from '@bufbuild/protobuf'
import type { ReflectMessage } from '@bufbuild/protobuf/reflect'
import { messageRegistry } from '../xds/message-registry.ts'
import { step } from './refusal.ts'

export const REDACTED = '[redacted]'
const DATA_SOURCE = 'envoy.config.core.v3.DataSource'
const PRIVATE_KEY = 'PRIVATE KEY-----'
const INLINE = ['inline_string', 'inline_bytes']

/** JSON pointers of the secrets in this message alone, not of those inside it. */
export function secretsIn(message: ReflectMessage, path: string): string[] {
  const marked = sensitiveFields(message.desc)
    .filter(field => message.isSet(field))
    .flatMap(field => secretParts(message, field, step(path, field.name)))
  return message.desc.typeName === DATA_SOURCE ? [...marked, ...misplacedKeys(message, path)] : marked
}

/** A private key is a secret wherever it is written: in the file of the certificate, for one. */
function misplacedKeys(source: ReflectMessage, path: string): string[] {
  return source.fields
    .filter(field => INLINE.includes(field.name) && source.isSet(field))
    .filter(field => Buffer.from(source.get(field) as string | Uint8Array).includes(PRIVATE_KEY))
    .map(field => step(path, field.name))
}

function secretParts(message: ReflectMessage, field: DescField, path: string): string[] {
  if (field.message?.typeName !== DATA_SOURCE) return [path]
  if (field.fieldKind === 'list') {
    return Array.from(message.get(field).entries()).flatMap(([index, source]) =>
      inlineParts(source as ReflectMessage, step(path, index)),
    )
  }
  return field.fieldKind === 'message' ? inlineParts(message.get(field), path) : [path]
}

function inlineParts(source: ReflectMessage, path: string): string[] {
  return source.fields
    .filter(field => INLINE.includes(field.name) && source.isSet(field))
    .map(field => step(path, field.name))
}

const known = new WeakMap<DescMessage, readonly DescField[]>()

export function sensitiveFields(desc: DescMessage): readonly DescField[] {
  const found = known.get(desc) ?? readSensitive(desc)
  known.set(desc, found)
  return found
}

function readSensitive({ fields }: DescMessage): DescField[] {
  const sensitive = messageRegistry().getExtension('udpa.annotations.sensitive')
  if (!sensitive) throw new Error('the descriptor set lacks udpa/annotations/sensitive.proto')
  return fields.filter(field => getOption(field, sensitive) === true)
}

/** A copy in which nothing secret is left. */
export function redacted(json: JsonValue, paths: readonly string[]): JsonValue {
  const hidden = new Set(paths)
  const copy = (node: JsonValue, path: string): JsonValue => {
    if (hidden.has(path)) return REDACTED
    if (Array.isArray(node)) return node.map((item, index) => copy(item, step(path, index)))
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, copy(item, step(path, key))]))
  }
  return hidden.size === 0 ? json : copy(json, '')
}
