/**
 * The gRPC server: the aggregated discovery service, the typed one of each cache, health and reflection. It opens
 * a stream for each call, and ends them all before it frees the port.
 */
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogger,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import { Admission } from './admission.ts'
import type { CacheGroups } from './cache-groups.ts'
import { ClientGates } from './client-gate.ts'
import { DELTA } from './delta-stream.ts'
import type { CommonRequest } from './discovery-request.ts'
import { ResponseEncoder } from './discovery-response.ts'
import { connect, type RawCall } from './grpc-transport.ts'
import { type ClientStatus, NodeStatus, type NodeView } from './node-status.ts'
import { packageDefinition, rawService } from './protos.ts'
import { SideCalls } from './side-calls.ts'
import { SOTW } from './sotw-stream.ts'
import {
  DEFAULT_LIMITS,
  type Protocol,
  type StreamContext,
  type StreamLimits,
  type XdsObserver,
} from './stream-context.ts'
import { XdsStream } from './xds-stream.ts'

export interface XdsLimits extends StreamLimits {
  /** A larger request ends its stream with RESOURCE_EXHAUSTED. Default 4 MiB. */
  readonly requestBytes: number
  /** A connection without traffic is pinged after this. Default 30,000 ms. */
  readonly keepaliveMs: number
  /** A ping that is not answered within this ends the connection. Default 10,000 ms. */
  readonly keepaliveTimeoutMs: number
  /** Connections are asked to reconnect at this age, give or take 10 %. Default: never. */
  readonly connectionAgeMs: number | undefined
}

/** A service beside discovery, visible by reflection. */
export interface SideService {
  readonly name: string
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
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
const CONNECTION_AGE_GRACE_MS = 30_000
const DEFAULTS: XdsLimits = {
  ...DEFAULT_LIMITS,
  requestBytes: 4 * 1024 * 1024,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  connectionAgeMs: undefined,
}

export class XdsServer {
  readonly #context: StreamContext
  readonly #server: Server
  readonly #health: HealthImplementation
  readonly #services: readonly string[]
  readonly #streams = new Set<{ stop(): void }>()
  readonly #sideCalls = new SideCalls()
  #isListening = false
  #isServing = true
  #stopped: Promise<void> | undefined

  constructor({ groups, logger, clock, identifier, limits, observer = {}, services = [] }: XdsServerOptions) {
    const allLimits = { ...DEFAULTS, ...limits }
    logTo(logger)
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
    this.#server = new Server(serverOptions(allLimits))
    this.#services = [AGGREGATED_SERVICE, ...groups.types.map(type => type.discoveryService)]
    this.#addDiscovery(AGGREGATED_SERVICE, undefined)
    for (const type of groups.types) this.#addDiscovery(type.discoveryService, type.typeUrl)
    this.#health = new HealthImplementation()
    this.#setHealth('NOT_SERVING')
    const tracked = this.#sideCalls.tracking(this.#server)
    this.#health.addToServer(tracked)
    for (const { definition, implementation } of services) tracked.addService(definition, implementation)
    const reflected = [...this.#services, ...services.map(({ name }) => name)]
    new ReflectionService(packageDefinition, { services: reflected }).addToServer(tracked)
  }

  /** Resolves with the port, which is another one than asked for only for 0. Rejects with ROLLCALL_PORT_IN_USE. */
  listen(host: string, port: number): Promise<number> {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (cause, bound) => {
        if (cause) {
          reject(bindError(cause, host, port))
          return
        }
        this.#isListening = true
        this.serve(this.#isServing)
        resolve(bound)
      })
    })
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
    if (this.#isListening && !this.#stopped) this.#setHealth(isServing ? 'SERVING' : 'NOT_SERVING')
  }

  /**
   * Ends every stream with UNAVAILABLE, each after at least one response where that is possible, and frees
   * the port. What has not ended after `graceMs` is cut. Idempotent.
   */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= new Promise(resolve => {
      this.#setHealth('NOT_SERVING')
      const timer = this.#context.clock.setTimer(graceMs, () => this.#server.forceShutdown())
      // It waits for streams to end, and those of discovery never end by themselves (stack.md finding 5).
      this.#server.tryShutdown(() => {
        timer.cancel()
        resolve()
      })
      for (const stream of [...this.#streams]) stream.stop()
      this.#sideCalls.end()
    })
    return this.#stopped
  }

  #addDiscovery(service: string, impliedTypeUrl: string | undefined): void {
    const definition: ServiceDefinition = rawService(service)
    const streams = Object.entries(definition).filter(([, method]) => method.requestStream)
    const handlers = streams.map(([name]) => {
      const handler = name.startsWith('Delta')
        ? (call: RawCall) => this.#open(DELTA, call, impliedTypeUrl)
        : (call: RawCall) => this.#open(SOTW, call, impliedTypeUrl)
      return [name, handler] as const
    })
    this.#server.addService(definition, Object.fromEntries(handlers))
  }

  #open<Request extends CommonRequest>(
    protocol: Protocol<Request>,
    call: RawCall,
    typeUrl: string | undefined,
  ): void {
    connect(call, transport => {
      const stream = new XdsStream(protocol, transport, this.#context, typeUrl)
      this.#streams.add(stream)
      stream.onClosed = () => this.#streams.delete(stream)
      if (this.#stopped) stream.stop()
      return stream
    })
  }

  #setHealth(status: 'SERVING' | 'NOT_SERVING'): void {
    for (const service of ['', ...this.#services]) this.#health.setStatus(service, status)
  }
}

function serverOptions(limits: XdsLimits): Record<string, number> {
  return {
    'grpc.max_receive_message_length': limits.requestBytes,
    'grpc.keepalive_time_ms': limits.keepaliveMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    ...(limits.connectionAgeMs === undefined
      ? {}
      : {
          'grpc.max_connection_age_ms': limits.connectionAgeMs,
          'grpc.max_connection_age_grace_ms': CONNECTION_AGE_GRACE_MS,
        }),
  }
}

/** The library's own words go where all others go; what matters of them comes as an error too. */
function logTo(logger: Logger): void {
  const log = (text: unknown): void => logger.debug({ grpc: String(text) }, 'grpc-js')
  setLogger({ error: log, info: log, debug: log })
}

function bindError(cause: Error, host: string, port: number): Error {
  if (!cause.message.includes('EADDRINUSE')) return cause
  const message = `the gRPC port ${port} of ${host} is already in use`
  return new RollcallError('ROLLCALL_PORT_IN_USE', message, { field: '--grpc-port', value: port, cause })
}
