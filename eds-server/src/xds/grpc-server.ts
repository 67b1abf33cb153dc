/**
 * The gRPC server: the aggregated discovery service, the typed one of each cache, health and reflection. Discovery is
 * served straight from HTTP/2, all else by the gRPC library behind it. All streams are ended before the port is freed.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { Admission } from './admission.ts'
import type { CacheGroups } from './cache-groups.ts'
import { ClientGates } from './client-gate.ts'
import type { Connection, ConnectionLimits } from './connection.ts'
import { DELTA } from './delta-stream.ts'
import type { CommonRequest } from './discovery-request.ts'
import { ResponseEncoder } from './discovery-response.ts'
import { isGrpc, UNSUPPORTED_MEDIA_TYPE } from './grpc-headers.ts'
import { GrpcPort } from './grpc-port.ts'
import { type CallReceiver, connect } from './grpc-transport.ts'
import { type ClientStatus, NodeStatus, type NodeView } from './node-status.ts'
import { streamingMethods } from './protos.ts'
import type { SideService } from './side-service.ts'
import { SideServices } from './side-services.ts'
import { SOTW } from './sotw-stream.ts'
import {
  DEFAULT_LIMITS,
  type Protocol,
  type StreamContext,
  type StreamLimits,
  type Transport,
  type XdsObserver,
} from './stream-context.ts'
import { XdsStream } from './xds-stream.ts'

export interface XdsLimits extends StreamLimits, ConnectionLimits {
  /** A larger request ends its stream with RESOURCE_EXHAUSTED. Default 4 MiB. */
  readonly requestBytes: number
}

export interface XdsServerOptions {
  /** The types that are served, and where each client finds them. */
  readonly groups: CacheGroups
  readonly logger: Logger
  readonly clock: Clock
  /** Tells clients which server answers them. */
  readonly identifier: string
  readonly limits?: Partial<XdsLimits>
  readonly observer?: XdsObserver
  readonly services?: readonly SideService[]
}

const AGGREGATED_SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService'
const DEFAULTS: XdsLimits = {
  ...DEFAULT_LIMITS,
  requestBytes: 4 * 1024 * 1024,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  connectionAgeMs: undefined,
}

type Open = (transport: Transport) => CallReceiver

export class XdsServer {
  readonly #context: StreamContext
  readonly #requestBytes: number
  readonly #port: GrpcPort
  /** By the path of the method. */
  readonly #discovery = new Map<string, Open>()
  /** Every other call. */
  readonly #side: SideServices
  readonly #streams = new Set<{ stop(): void }>()
  #isListening = false
  #isServing = true
  #stopped: Promise<void> | undefined

  constructor({ groups, logger, clock, identifier, limits, observer = {}, services = [] }: XdsServerOptions) {
    const allLimits = { ...DEFAULTS, ...limits }
    this.#context = {
      groups,
      gates: new ClientGates(clock),
      encoder: new ResponseEncoder(identifier),
      status: new NodeStatus(),
      admission: new Admission(clock),
      clock,
      logger,
      limits: allLimits,
      observer,
    }
    this.#requestBytes = allLimits.requestBytes
    this.#port = new GrpcPort({
      clock,
      logger,
      limits: allLimits,
      opened: (...call) => this.#opened(...call),
    })
    this.#addDiscovery(AGGREGATED_SERVICE, undefined)
    for (const type of groups.types) this.#addDiscovery(type.discoveryService, type.typeUrl)
    const discovery = [AGGREGATED_SERVICE, ...groups.types.map(type => type.discoveryService)]
    this.#side = new SideServices({ discovery, services, requestBytes: this.#requestBytes, logger })
  }

  /** Resolves with the port, which is another one than asked for only for 0. Rejects with ROLLCALL_PORT_IN_USE. */
  async listen(host: string, port: number): Promise<number> {
    const bound = await this.#port.listen(host, port)
    this.#isListening = true
    this.serve(this.#isServing)
    return bound
  }

  /** What every connected client has. */
  nodes(): NodeView[] {
    return this.#context.status.nodes()
  }

  /** The same, with each resource that they have. */
  clients(): ClientStatus[] {
    return this.#context.status.clients()
  }

  /**
   * What the health service says once it listens; default true. While it says no, clients that know another server
   * go there. A client that knows no other comes all the same: Envoy's panic uses a single unhealthy host.
   */
  serve(isServing: boolean): void {
    this.#isServing = isServing
    if (this.#isListening && !this.#stopped) this.#side.setHealth(isServing)
  }

  /**
   * Ends every stream with UNAVAILABLE, each after at least one response where that is possible, and frees
   * the port. What has not ended after `graceMs` is cut. Idempotent.
   */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs)
    return this.#stopped
  }

  async #stop(graceMs: number): Promise<void> {
    this.#side.setHealth(false)
    for (const stream of [...this.#streams]) stream.stop()
    this.#side.endCalls()
    await this.#port.close(graceMs)
    this.#side.close()
  }

  #addDiscovery(service: string, impliedTypeUrl: string | undefined): void {
    for (const { name, path } of streamingMethods(service)) {
      const open: Open = name.startsWith('Delta')
        ? transport => this.#open(DELTA, transport, impliedTypeUrl)
        : transport => this.#open(SOTW, transport, impliedTypeUrl)
      this.#discovery.set(path, open)
    }
  }

  #opened(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, from: Connection): void {
    const open = this.#discovery.get(headers[':path'] ?? '')
    if (!open) this.#side.forward(stream, headers, flags, from)
    else if (!isGrpc(headers)) stream.respond(UNSUPPORTED_MEDIA_TYPE, { endStream: true })
    else {
      const options = {
        headers,
        peer: from.peer,
        requestBytes: this.#requestBytes,
        clock: this.#context.clock,
      }
      connect(stream, options, open)
    }
  }

  #open<Request extends CommonRequest>(
    protocol: Protocol<Request>,
    transport: Transport,
    typeUrl: string | undefined,
  ): CallReceiver {
    const stream = new XdsStream(protocol, transport, this.#context, typeUrl)
    this.#streams.add(stream)
    stream.onClosed = () => this.#streams.delete(stream)
    if (this.#stopped) stream.stop()
    return stream
  }
}
