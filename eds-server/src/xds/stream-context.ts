/** What a discovery stream is put between: the transport below, the protocol's form, and what all streams share. */
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Admission } from './admission.ts'
import type { CacheGroups } from './cache-groups.ts'
import type { ClientGates } from './client-gate.ts'
import type { ClientFeatures, CommonRequest } from './discovery-request.ts'
import type { Response, ResponseEncoder } from './discovery-response.ts'
import type { NodeStatus } from './node-status.ts'
import type { Subscription } from './subscription.ts'
import type { Interest, Source } from './subscription-ports.ts'

/** The gRPC status codes that a stream ends with. */
export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const

/** The edge that the stream writes to. */
export interface Transport {
  /** Address and port of the client. */
  readonly peer: string
  /** Takes a message framed for gRPC; false if the client has not taken it yet: then `drained()` is called once it has. */
  write(message: Buffer): boolean
  /** Ends the stream. `isStalled`: the client will not take what it has not taken yet. */
  end(code: number, details: string, isStalled?: boolean): void
}

/** What differs between state of the world and incremental. */
export interface Protocol<Request extends CommonRequest> {
  readonly name: 'sotw' | 'delta'
  /** The number of the field `node` in its requests. */
  readonly nodeField: number
  decode(bytes: Buffer, wantsNode: boolean): Request
  /** The names that the request carries, for the limits. */
  namesIn(request: Request): Iterable<string>
  /** Whether a client with these features can be told a time to live. */
  takesTtl(features: ClientFeatures): boolean
  subscribe(source: Source, interest: Interest): Subscription<Request>
  /** Framed for gRPC. */
  encode(encoder: ResponseEncoder, typeUrl: string, response: Response): Buffer
}

/** What happens on streams, for metrics; each is called synchronously and must not throw. */
export interface XdsObserver {
  streamOpened?(protocol: 'sotw' | 'delta', aggregated: boolean): void
  streamClosed?(protocol: 'sotw' | 'delta', aggregated: boolean): void
  responseSent?(typeUrl: string, protocol: 'sotw' | 'delta' | 'rest', bytes: number): void
  acked?(typeUrl: string, protocol: 'sotw' | 'delta'): void
  nacked?(typeUrl: string, protocol: 'sotw' | 'delta'): void
  slowClientClosed?(): void
  /** Secrets were asked for by a client that could be overheard. */
  secretsWithheld?(): void
}

export interface StreamLimits {
  /** The first request must come within this time. Default 10,000 ms. */
  readonly firstRequestMs: number
  /** A client that does not take a response within this time is closed. Default 30,000 ms. */
  readonly stalledMs: number
  /** Names in one subscription. Default 10,000. */
  readonly names: number
  /** Bytes of one name. Default 1,024. */
  readonly nameBytes: number
}

export const DEFAULT_LIMITS: StreamLimits = {
  firstRequestMs: 10_000,
  stalledMs: 30_000,
  names: 10_000,
  nameBytes: 1024,
}

/** What all streams of a server share. */
export interface StreamContext {
  readonly groups: CacheGroups
  readonly gates: ClientGates
  readonly encoder: ResponseEncoder
  readonly status: NodeStatus
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: StreamLimits
  readonly observer: XdsObserver
  readonly admission: Admission
}
