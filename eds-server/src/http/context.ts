/**
 * What the routes work with: the registry, and the ports that server.ts fills with the layers that http/ must
 * not know.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Metrics } from '../metrics.ts'
import type { Registry } from '../registry/registry.ts'
import type { AdmitAddress } from './address.ts'

export type HttpApp = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** How many clients subscribe to the service, how many know its present state, and which do not. */
export interface DeliveryReport {
  readonly subscribers: number
  readonly acked: number
  readonly pending: readonly {
    readonly node: string
    readonly cluster: string
    readonly state: 'STALE' | 'NACKED' | 'NOT_SENT' | 'DISCONNECTED'
  }[]
  /** Clients of an earlier life of the server may not be back yet. */
  readonly incomplete?: true
}

export interface DeliveryWait {
  readonly timeoutMs: number
  /** Aborts when the caller has gone or the server stops. */
  readonly signal?: AbortSignal
}

/** Who knows of a change. Each answer comes when every client knows, or at the deadline; lateness is no error. */
export interface Delivery {
  settled(service: string, wait: DeliveryWait): Promise<DeliveryReport>
  live(service: string, instanceId: string, wait: DeliveryWait): Promise<DeliveryReport>
  gone(service: string, instanceId: string, wait: DeliveryWait): Promise<DeliveryReport>
}

export interface Readiness {
  readonly ready: boolean
  /** Why not, for people. */
  readonly reason?: string
  /** Milliseconds until it is ready at the latest, where that is known. */
  readonly remainingMs?: number
  /** What is wrong although it is ready, for people. */
  readonly warnings?: readonly string[]
}

/** One kind of discovery request. */
export interface DiscoveryMethod {
  readonly path: string
  readonly summary: string
  /** JSON schema with an example; `answer` checks the body itself. */
  readonly bodySchema: object
  /** The answer as JSON text; undefined: the caller has it already. Rejects with a RollcallError. */
  answer(call: DiscoveryCall): Promise<string | undefined>
}

export interface DiscoveryCall {
  readonly body: unknown
  /** How long the caller waits, milliseconds; undefined: it does not say. */
  readonly expectedMs: number | undefined
  readonly signal: AbortSignal
  /** Address and port of the caller. */
  readonly peer: string
}

export interface Discovery {
  readonly methods: readonly DiscoveryMethod[]
  /** The header in which a caller says how long it waits. */
  readonly timeoutHeader: string
}

/** One document of configuration that clients are served. */
export interface ResourceView {
  readonly type: string
  readonly name: string
  readonly group: string
  readonly version: string
  readonly origin: string
  readonly source: string
  readonly resource?: unknown
}

export interface ResourceAddress {
  readonly type: string
  readonly name: string
  readonly group: string
}

/** The documents that clients are served. Everything throws RollcallErrors; a change that returns is on disk. */
export interface ResourcePort {
  list(query: { type?: string; group?: string; full: boolean }): readonly ResourceView[]
  errors(): readonly object[]
  get(address: ResourceAddress): ResourceView
  put(
    address: ResourceAddress,
    document: unknown,
  ): { readonly result: 'created' | 'replaced'; readonly view: ResourceView }
  delete(address: ResourceAddress): void
}

/** What the connected clients have, resource by resource. Everything throws RollcallErrors. */
export interface ClientConfigPort {
  /** Of one client; `type` as in `/v1/resources/:type`. */
  of(node: string, type: string | undefined): object
  /** The protocol's own question and answer: JSON in, JSON text out. */
  status(body: unknown): string
}

export interface HttpContext {
  /** Undefined: this server has none. */
  readonly clientConfig?: ClientConfigPort | undefined
  /** Undefined: this server has none. */
  readonly resources?: ResourcePort | undefined
  readonly discovery: Discovery
  readonly registry: Registry
  readonly delivery: Delivery
  /** The connected clients, each as a JSON object. */
  readonly nodes: () => readonly unknown[]
  readonly readiness: () => Readiness
  readonly metrics: Metrics
  readonly clock: Clock
  readonly logger: FastifyBaseLogger
  readonly admitAddress: AdmitAddress
  /** Aborts when the server begins to stop: long answers end. */
  readonly stopping: AbortSignal
}
