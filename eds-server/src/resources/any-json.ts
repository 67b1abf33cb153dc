/** Encoded messages as JSON, with the field names of the .proto files. */
import { create, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { messageRegistry } from '../xds/message-registry.ts'
import type { Resource } from '../xds/resource.ts'
import { Unfit } from './json-tree.ts'
import { kindOf } from './kinds.ts'
import { REDACTED, redacted, secretsIn } from './secrets.ts'
import { walk } from './walk.ts'

/** The message as JSON. Throws Unfit for unknown fields and types: JSON would pass over them. */
export function jsonOfAny(typeUrl: string, value: Uint8Array): JsonValue {
  const any = create(AnySchema, { typeUrl, value })
  walk(reflect(AnySchema, any), '', (message, path) => {
    const [unknown] = message.getUnknown() ?? []
    if (!unknown) return
    throw new Unfit({
      path,
      reason: `has field number ${unknown.no}, which ${message.desc.typeName} does not have`,
    })
  })
  return toJson(AnySchema, any, { registry: messageRegistry(), useProtoFieldName: true })
}

/** The resource as it may be shown: of a `Secret` nothing, of any other what is not secret (F66). */
export function shownDocument(resource: Resource): JsonValue {
  if (!resource.isConfidential) return documentOf(resource)
  const any = fromBinary(AnySchema, resource.any)
  if (kindOf(any.typeUrl)?.type.isConfidential) return REDACTED
  const secrets: string[] = []
  walk(reflect(AnySchema, any), '', (message, path) => void secrets.push(...secretsIn(message, path)))
  return redacted(documentOf(resource), secrets)
}

/** The resource as JSON with the field names of the .proto files, secrets and all. */
export function documentOf({ any }: Resource): JsonValue {
  const options = { registry: messageRegistry(), useProtoFieldName: true }
  const { '@type': type, ...fields } = toJson(AnySchema, fromBinary(AnySchema, any), options) as {
    readonly [key: string]: JsonValue
  }
  return { '@type': type ?? null, ...fields }
}
