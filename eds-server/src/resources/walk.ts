/** Every message inside a message, typed configuration (`Any`) opened, each with its path. */
import type { DescField, Message } from '@bufbuild/protobuf'
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import { type Any, AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt'
import { messageRegistry } from '../xds/message-registry.ts'
import { messageNamed, unknownType } from './blame.ts'
import { Unfit } from './json-tree.ts'
import { step } from './refusal.ts'

/** `path` uses the field names of the .proto files, as the JSON that is shown does. */
export type Visit = (message: ReflectMessage, path: string) => void

/** Parents before children. Throws Unfit for an `Any` of an unknown type. */
export function walk(message: ReflectMessage, path: string, visit: Visit): void {
  if (message.desc.typeName === AnySchema.typeName) {
    walkAny(message.message as Any, path, visit)
    return
  }
  visit(message, path)
  for (const field of message.sortedFields) {
    if (!field.message || !message.isSet(field)) continue
    for (const [child, at] of childrenIn(message, field, step(path, field.name))) walk(child, at, visit)
  }
}

function walkAny(any: Any, path: string, visit: Visit): void {
  if (any.typeUrl === '') return
  const desc = messageNamed(any.typeUrl)
  if (!desc) {
    throw new Unfit({ path: step(path, '@type'), reason: unknownType(any.typeUrl), value: any.typeUrl })
  }
  walk(reflect(desc, unpacked(any, path)), path, visit)
}

function unpacked(any: Any, path: string): Message {
  try {
    const message = anyUnpack(any, messageRegistry())
    if (message) return message
  } catch (error) {
    throw new Unfit({ path, reason: `is not the bytes of a ${any.typeUrl}: ${(error as Error).message}` })
  }
  throw new Unfit({ path, reason: `is not the bytes of a ${any.typeUrl}` })
}

function* childrenIn(
  message: ReflectMessage,
  field: DescField,
  path: string,
): Generator<readonly [ReflectMessage, string]> {
  if (field.fieldKind === 'message') {
    yield [message.get(field), path]
  } else if (field.fieldKind === 'list') {
    for (const [index, item] of message.get(field).entries())
      yield [item as ReflectMessage, step(path, index)]
  } else if (field.fieldKind === 'map') {
    for (const [key, item] of message.get(field)) yield [item as ReflectMessage, step(path, String(key))]
  }
}
