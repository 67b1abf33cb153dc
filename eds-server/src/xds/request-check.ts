/** What a request must keep to, and how a stream is refused that does not. */
import type { RequestError } from './discovery-request.ts'
import { STATUS, type StreamLimits } from './stream-context.ts'

/** A request that ends its stream with this status. */
export class Refusal extends Error {
  readonly code: number

  constructor(code: number, details: string) {
    super(details)
    this.name = 'Refusal'
    this.code = code
  }
}

/** The type that is meant; `implied` is that of a typed service, undefined on an aggregated stream. */
export function meantType(requested: string, implied: string | undefined): string {
  const typeUrl = requested || implied
  if (!typeUrl) throw new Refusal(STATUS.INVALID_ARGUMENT, 'type_url is missing')
  if (implied && typeUrl !== implied) {
    throw new Refusal(STATUS.INVALID_ARGUMENT, `type_url is not that of this service, ${implied}`)
  }
  return typeUrl
}

/** A refusal may quote what was refused: of a response that holds a secret only the code is kept (F66). */
export function withheld({ code }: RequestError): RequestError {
  return { code, message: 'not repeated: it may quote a secret; the log of the client has the reason' }
}

export function checkNames(names: Iterable<string>, limits: StreamLimits): void {
  let count = 0
  for (const name of names) {
    count += 1
    // A UTF-16 unit takes at most three bytes of UTF-8: most names need no counting.
    if (name.length * 3 > limits.nameBytes && Buffer.byteLength(name) > limits.nameBytes) {
      throw new Refusal(STATUS.INVALID_ARGUMENT, `a resource name is longer than ${limits.nameBytes} bytes`)
    }
  }
  checkCount(count, limits)
}

export function checkCount(count: number, limits: StreamLimits): void {
  if (count <= limits.names) return
  throw new Refusal(STATUS.RESOURCE_EXHAUSTED, `more than ${limits.names} resource names`)
}
