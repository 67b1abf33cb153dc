/**
 * The protobuf side of the discovery services, from the descriptor set that `npm run protos` builds. Field names
 * are those of the .proto files (snake_case), enums are numbers, maps are lists of `{ key, value }`.
 */
import { readFileSync } from 'node:fs'
import type { ServiceDefinition } from '@grpc/grpc-js'
import {
  loadFileDescriptorSetFromBuffer,
  type MessageTypeDefinition,
  type PackageDefinition,
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

/**
 * A service whose messages are passed as the bytes that they are on the wire: requests are decoded partially and
 * responses are shared buffers (design.md 4.9). Throws for a service that the descriptor set lacks.
 */
export function rawService(name: string): ServiceDefinition {
  const definition = packageDefinition[name]
  if (!definition || 'format' in definition) throw new Error(`no service ${name} in protos/xds.binpb`)
  const same = (bytes: Buffer): Buffer => bytes
  return Object.fromEntries(
    Object.entries(definition).map(([method, { path, requestStream, responseStream }]) => [
      method,
      {
        path,
        requestStream,
        responseStream,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    ]),
  )
}

function messageType(type: string): MessageTypeDefinition<object, object> {
  const definition = packageDefinition[type]
  if (!definition || !('serialize' in definition) || typeof definition.serialize !== 'function') {
    throw new Error(`no message ${type} in protos/xds.binpb`)
  }
  return definition as MessageTypeDefinition<object, object>
}
