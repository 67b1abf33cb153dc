/** A service beside discovery, served by the gRPC library: what one is, and how its unary calls are answered. */
import type { handleUnaryCall, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { statusOf } from './grpc-status.ts'

/** Visible by reflection. */
export interface SideService {
  readonly name: string
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
}

/** Makes handlers of functions that return the answer or throw a refusal; `failed` is called for any other error. */
export function unaryWith(
  failed: (error: unknown) => void,
): <Request, Response>(answer: (request: Request) => Response) => handleUnaryCall<Request, Response> {
  return answer => (call, callback) => {
    try {
      callback(null, answer(call.request))
    } catch (error) {
      callback(statusOf(error, failed))
    }
  }
}
