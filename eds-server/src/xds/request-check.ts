/** What a request must keep to, and how a stream is refused that does not. */
import type { Node, RequestError } from './discovery-request.ts'
import { STATUS, type StreamLimits } from './stream-context.ts'
import { MalformedMessage } from './wire-reader.ts'

const KEPT_TEXT = 1024
/** Of larger metadata nothing is kept, and no operator can choose a node by it. */
const KEPT_METADATA = 16 * 1024

/** A request that ends its stream with this status. */
export class Refusal extends Error {
  readonly code: number

  constructor(code: number, details: string) {
    super(details)
    this.name = 'Refusal'
    this.code = code
  }
}

/** What a bad request ends its stream with; undefined for an error that is ours. */
export function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (!(error instanceof MalformedMessage)) return undefined
  return new Refusal(STATUS.INVALID_ARGUMENT, `malformed request: ${error.message}`)
}

/** The type that is meant; `implied` is that of a typed service, undefined on an aggregated stream. */
export function meantType(requested: string, implied: string | undefined): string {
  const typeUrl = requested || implied
  if (!typeUrl) throw new Refusal(STATUS.INVALID_ARGUMENT, 'type_url is missing')
  if (implied && typeUrl !== implied) {
    throw new Refusal(STATUS.INVALID_ARGUMENT, `type_url is not that of this service, ${implied}`)
  }
  // Our own text where there is one: its hash is known, that of one just read is not.
  return implied ?? typeUrl
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

/** A node id is any text; what is kept of it is bounded. */
export function boundedNode(node: Node | undefined): Node {
  const struct = node?.metadataStruct
  const cut = (text: string | undefined): string => (text ?? '').slice(0, KEPT_TEXT)
  return {
    id: cut(node?.id),
    cluster: cut(node?.cluster),
    userAgent: cut(node?.userAgent),
    userAgentVersion: cut(node?.userAgentVersion),
    // A copy: the request around it is 61 KB.
    metadataStruct: struct && struct.length <= KEPT_METADATA ? Buffer.from(struct) : undefined,
    features: node?.features ?? { ttl: false, wrapped: false },
  }
}
