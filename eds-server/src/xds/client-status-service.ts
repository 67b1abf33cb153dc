/** `ClientStatusDiscoveryService` over gRPC and as JSON. */

import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import type { ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js'
import { RollcallError } from '../errors.ts'
import { type ClientStatusRequest, clientStatus, decodeRequest } from './client-status.ts'
import { statusOf } from './grpc-status.ts'
import { messageRegistry } from './message-registry.ts'
import type { ClientStatus } from './node-status.ts'
import { serviceDefinition } from './protos.ts'
import { type SideService, unaryWith } from './side-service.ts'

const SERVICE = 'envoy.service.status.v3.ClientStatusDiscoveryService'
/** Of one answer, which is made without a pause. */
const GRPC_BYTES_MAX = 16 * 1024 * 1024
/** JSON takes many times as long to make. */
const JSON_BYTES_MAX = 4 * 1024 * 1024

type Clients = () => Iterable<ClientStatus>

/** The request as JSON in, the answer as JSON text out. Throws RollcallErrors. */
export function clientStatusJson(clients: Clients): (body: unknown) => string {
  return body => {
    const registry = messageRegistry()
    const request = parsed(body)
    const bytes = clientStatus(clients(), request, JSON_BYTES_MAX)
    const schema = messageNamed('ClientStatusResponse')
    const options = { registry, useProtoFieldName: true }
    return JSON.stringify(toJson(schema, fromBinary(schema, bytes), options))
  }
}

export function clientStatusService(clients: Clients, failed: (error: unknown) => void): SideService {
  const answer = (request: ClientStatusRequest): Buffer => clientStatus(clients(), request, GRPC_BYTES_MAX)
  const implementation = {
    FetchClientStatus: unaryWith(failed)(answer),
    StreamClientStatus(call: ServerDuplexStream<ClientStatusRequest, Buffer>) {
      call.on('data', (request: ClientStatusRequest) => {
        // The next one when this answer is on its way: whoever asks and does not read costs one answer.
        call.pause()
        try {
          call.write(answer(request), () => call.resume())
        } catch (error) {
          call.emit('error', statusOf(error, failed))
        }
      })
      call.on('end', () => call.end())
    },
  }
  return { name: SERVICE, definition: definitionOf(), implementation }
}

/** Answers are passed as the bytes that they are. */
function definitionOf(): ServiceDefinition {
  const methods = Object.entries(serviceDefinition(SERVICE)).map(([name, method]) => [
    name,
    { ...method, responseSerialize: (bytes: Buffer) => bytes },
  ])
  return Object.fromEntries(methods)
}

function parsed(body: unknown): ClientStatusRequest {
  const schema = messageNamed('ClientStatusRequest')
  try {
    const message = fromJson(schema, body as JsonValue, { registry: messageRegistry() })
    return decodeRequest(Buffer.from(toBinary(schema, message)))
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause
    const message = `body: is no ClientStatusRequest: ${cause.message}`
    throw new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, { field: 'body', cause })
  }
}

function messageNamed(name: string): DescMessage {
  const found = messageRegistry().getMessage(`envoy.service.status.v3.${name}`)
  if (!found) throw new Error(`the descriptor set lacks envoy.service.status.v3.${name}`)
  return found
}
