/**
 * The services beside discovery, on the gRPC library: health, reflection. It listens on no port of its own: calls come
 * through a bridge for each connection that has any.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { Server, ServerCredentials, setLogger } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Logger } from 'pino'
import { CallBridge } from './call-bridge.ts'
import type { Connection } from './connection.ts'
import { packageDefinition } from './protos.ts'
import { SideCalls } from './side-calls.ts'
import type { SideService } from './side-service.ts'

export interface SideServicesOptions {
  /** The names of the services of discovery, which health and reflection tell of. */
  readonly discovery: readonly string[]
  readonly services: readonly SideService[]
  /** Bytes of one request. */
  readonly requestBytes: number
  readonly logger: Logger
}

export class SideServices {
  readonly #server: Server
  readonly #injector: ReturnType<Server['createConnectionInjector']>
  readonly #health = new HealthImplementation()
  readonly #discovery: readonly string[]
  readonly #logger: Logger
  readonly #calls = new SideCalls()
  readonly #bridges = new Map<Connection, CallBridge>()

  constructor({ discovery, services, requestBytes, logger }: SideServicesOptions) {
    logTo(logger)
    this.#discovery = discovery
    this.#logger = logger
    this.#server = new Server({ 'grpc.max_receive_message_length': requestBytes, 'grpc.enable_channelz': 0 })
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
    const tracked = this.#calls.tracking(this.#server)
    this.setHealth(false)
    this.#health.addToServer(tracked)
    for (const { definition, implementation } of services) tracked.addService(definition, implementation)
    const reflected = [...discovery, ...services.map(({ name }) => name)]
    new ReflectionService(packageDefinition, { services: reflected }).addToServer(tracked)
  }

  setHealth(isServing: boolean): void {
    const status = isServing ? 'SERVING' : 'NOT_SERVING'
    for (const service of ['', ...this.#discovery]) this.#health.setStatus(service, status)
  }

  /** Passes a call on; it need not be of a service that there is. */
  forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, from: Connection): void {
    this.#bridgeOf(from).forward(stream, headers, flags)
  }

  /** Ends every open call. */
  endCalls(): void {
    this.#calls.end()
  }

  close(): void {
    for (const bridge of this.#bridges.values()) bridge.close()
    this.#server.forceShutdown()
  }

  #bridgeOf(connection: Connection): CallBridge {
    const known = this.#bridges.get(connection)
    if (known) return known
    const bridge = new CallBridge(far => this.#injector.injectConnection(far), this.#logger)
    this.#bridges.set(connection, bridge)
    connection.session.on('close', () => {
      bridge.close()
      this.#bridges.delete(connection)
    })
    return bridge
  }
}

/** The library's own words go where all others go; what matters of them comes as an error too. */
function logTo(logger: Logger): void {
  const log = (text: unknown): void => logger.debug({ grpc: String(text) }, 'grpc-js')
  setLogger({ error: log, info: log, debug: log })
}
