/** The same constant by `@grpc/grpc-js`, which takes and gives plain bytes: what a gRPC library costs. */
import { type MethodDefinition, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { Constant } from './changes.ts'

type Call = ServerDuplexStream<Buffer, Buffer>

const asIs = (bytes: Buffer): Buffer => bytes
const STREAM_ENDPOINTS: MethodDefinition<Buffer, Buffer> = {
  path: '/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}
/** The library puts it before each message itself. */
const PREFIX_BYTES = 5

const constant = new Constant<Call>((call, message) => call.write(message.subarray(PREFIX_BYTES)))
const server = new Server()
server.addService(
  { STREAM_ENDPOINTS },
  {
    STREAM_ENDPOINTS: (call: Call) => {
      call.resume()
      call.on('cancelled', () => constant.closed(call))
      call.on('error', () => constant.closed(call))
      constant.opened(call)
    },
  },
)
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  constant.serve(port)
})
