/**
 * Resources as canonical proto3 JSON, with the field names of the .proto files. Made once for each resource and
 * generation, like its bytes.
 */
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { messageRegistry } from './message-registry.ts'
import type { Resource } from './resource.ts'

const texts = new Map<string, WeakMap<Resource, string>>()

/** The resource as a JSON `Any` whose `@type` is `typeUrl`. Throws for a type that the descriptor set lacks. */
export function jsonOf(resource: Resource, typeUrl: string): string {
  const known = texts.get(typeUrl) ?? new WeakMap<Resource, string>()
  texts.set(typeUrl, known)
  let text = known.get(resource)
  if (text === undefined) {
    const any = fromBinary(AnySchema, resource.any)
    const options = { registry: messageRegistry(), useProtoFieldName: true }
    const { '@type': _, ...fields } = toJson(AnySchema, any, options) as Readonly<Record<string, unknown>>
    text = JSON.stringify({ '@type': typeUrl, ...fields })
    known.set(resource, text)
  }
  return text
}
