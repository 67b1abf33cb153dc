/**
 * The protobuf side of the discovery services, from the descriptor set that `npm run protos` builds. Field names
 * are those of the .proto files (snake_case), enums are numbers, maps are lists of `{ key, value }`.
 */
import { readFileSync } from 'node:fs'
import {
  loadFileDescriptorSetFromBuffer,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader'

export const packageDefinition: PackageDefinition = loadFileDescriptorSetFromBuffer(
  readFileSync(new URL('../../protos/xds.binpb', import.meta.url)),
)

/** Encodes messages of the given full type name; throws for a type that the descriptor set lacks. */
export function encoder(type: string): (message: object) => Buffer {
  return messageType(type).serialize
}

/** Decodes messages of the given full type name; fields that are not set are absent from the object. */
export function decoder(type: string): (bytes: Buffer) => object {
  return messageType(type).deserialize
}

/** Name and path of each streaming method of a service. Throws for a service that the descriptor set lacks. */
export function streamingMethods(service: string): { name: string; path: string }[] {
  return Object.entries(serviceDefinition(service)).flatMap(
    ([name, { path, requestStream, responseStream }]) =>
      requestStream && responseStream ? [{ name, path }] : [],
  )
}

/** Throws for a service that the descriptor set lacks. */
export function serviceDefinition(service: string): ServiceDefinition {
  const definition = packageDefinition[service]
  if (!definition || 'format' in definition) throw new Error(`no service ${service} in protos/xds.binpb`)
  return definition
}

function messageType(type: string): MessageTypeDefinition<object, object> {
  const definition = packageDefinition[type]
  if (!definition || !('serialize' in definition) || typeof definition.serialize !== 'function') {
    throw new Error(`no message ${type} in protos/xds.binpb`)
  }
  return definition as MessageTypeDefinition<object, object>
}
