/**
 * Assembles the HTTP API: one Fastify instance, its hooks in the order in which they run, its routes by family.
 * The families differ in who may call them; see guard.ts.
 */
import { networkInterfaces } from 'node:os'
import Fastify, { type FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { Metrics } from '../metrics.ts'
import type { Registry } from '../registry/registry.ts'
import { type AddressPolicyOptions, createAddressPolicy } from './address.ts'
import { clientConfigRoutes, clientStatusRoute } from './client-config-routes.ts'
import { consoleRoutes } from './console-routes.ts'
import type {
  ClientConfigPort,
  Delivery,
  Discovery,
  HttpApp,
  HttpContext,
  Readiness,
  ResourcePort,
} from './context.ts'
import { departureRoutes } from './departure-routes.ts'
import { discoveryRoutes } from './discovery-routes.ts'
import { edsserviceRoutes } from './edsservice-routes.ts'
import { eventRoutes } from './event-routes.ts'
import { EventStreams } from './event-streams.ts'
import { localBrowsersOnly, localCallersOnly, secure } from './guard.ts'
import { heartbeatRoutes } from './heartbeat-routes.ts'
import { hostsRoutes } from './hosts-routes.ts'
import { acceptJsonBodies } from './json-body.ts'
import { describeRoutes } from './openapi.ts'
import { operationsRoutes, probeRoutes } from './operations-routes.ts'
import { persistFirst } from './persist.ts'
import { preservationRoutes } from './preservation-routes.ts'
import { asRollcallError, sendProblem } from './problem.ts'
import { queryRoutes } from './query-routes.ts'
import { registrationRoutes } from './registration-routes.ts'
import { resourceRoutes } from './resource-routes.ts'
import { CONNECTIONS_MAX, DEFAULT_BODY_LIMIT, serverOptions } from './server-options.ts'
import { stopPromptly } from './stop.ts'
import { refuseOtherMethods, refuseUnknownRoutes } from './unknown-routes.ts'
import { v1ReadRoutes, v1WriteRoutes } from './v1-routes.ts'

export interface AppOptions {
  readonly registry: Registry
  readonly delivery: Delivery
  /** Discovery by single requests. Default: none. */
  readonly discovery?: Discovery
  /** The documents that clients are served. Default: no routes for them. */
  readonly resources?: ResourcePort
  /** What each client has. Default: no routes for that. */
  readonly clientConfig?: ClientConfigPort
  /** The connected clients, each as a JSON object. */
  readonly nodes: () => readonly unknown[]
  readonly readiness: () => Readiness
  readonly metrics: Metrics
  readonly logger: FastifyBaseLogger
  /** Default: the system's. */
  readonly clock?: Clock
  /** True when the server listens on loopback only: loopback may be registered, and only loopback host names call. */
  readonly loopbackOnly: boolean
  /** Every port that this process listens on; none of them may be registered at an address of this machine. */
  readonly ownPorts: () => readonly number[]
  /** CIDR ranges that may be registered. Default: RFC 1918 and fc00::/7. */
  readonly allowAddresses?: readonly string[] | undefined
  /** Ports that may not be registered at any address. Default: 9901, 2379, 2380. */
  readonly adminPorts?: readonly number[] | undefined
  /** Bytes of a body, but for batches (512 KiB). Default 16 KiB. */
  readonly bodyLimit?: number
}

const NO_DISCOVERY: Discovery = { methods: [], timeoutHeader: 'x-expected-timeout-ms' }

/** The app, not listening yet. `close()` ends streams and waits, answers what is in flight, and returns promptly. */
export function createApp(options: AppOptions): HttpApp {
  const { registry, metrics, logger, clock = systemClock } = options
  const stop = new AbortController()
  const streams = new EventStreams({ registry, clock })
  const context: HttpContext = {
    ...options,
    discovery: options.discovery ?? NO_DISCOVERY,
    clock,
    admitAddress: createAddressPolicy(policyOf(options)),
    stopping: stop.signal,
    readiness: () =>
      stop.signal.aborted ? { ready: false, reason: 'the server stops' } : options.readiness(),
  }
  const app: HttpApp = Fastify({
    ...serverOptions(options.bodyLimit ?? DEFAULT_BODY_LIMIT),
    loggerInstance: logger,
    // A logger per request would cost more than a heartbeat does.
    childLoggerFactory: parent => parent,
  })
  app.server.maxConnections = CONNECTIONS_MAX
  metrics.readFrom({ eventStreams: () => streams.size })
  stopPromptly(app, clock, () => {
    stop.abort()
    streams.close()
  })
  app.setErrorHandler((thrown, request, reply) => {
    const error = asRollcallError(thrown, request.routeOptions.bodyLimit)
    if (error.code === 'ROLLCALL_INTERNAL') logger.error({ err: thrown }, 'request failed')
    metrics.problem(error.code)
    return sendProblem(reply, error)
  })
  addRoutes(app, context, streams, options)
  return app
}

function addRoutes(app: HttpApp, context: HttpContext, streams: EventStreams, options: AppOptions): void {
  describeRoutes(app)
  acceptJsonBodies(app)
  const methodsByUrl = refuseUnknownRoutes(app)
  app.addHook('onRequest', secure)
  app.register(async probes => probeRoutes(probes, context))
  app.register(async protocol => {
    protocol.addHook('onRequest', localBrowsersOnly(options))
    discoveryRoutes(protocol, context)
    v1ReadRoutes(protocol, context)
    if (context.clientConfig) clientStatusRoute(protocol, context.clientConfig)
  })
  app.register(async api => {
    api.addHook('onRequest', localCallersOnly(options))
    api.addHook('onSend', persistFirst(context))
    registrationRoutes(api, context)
    heartbeatRoutes(api, context)
    departureRoutes(api, context)
    queryRoutes(api, context)
    eventRoutes(api, streams)
    edsserviceRoutes(api, context)
    hostsRoutes(api, context)
    operationsRoutes(api, context)
    preservationRoutes(api, context)
    if (context.resources) resourceRoutes(api, context.resources)
    if (context.clientConfig) clientConfigRoutes(api, context.clientConfig)
    consoleRoutes(api)
  })
  app.register(async v1 => {
    v1.addHook('onRequest', localCallersOnly(options))
    v1.addHook('onSend', persistFirst(context))
    v1WriteRoutes(v1, context)
  })
  app.register(async others => refuseOtherMethods(others, methodsByUrl))
}

function policyOf(options: AppOptions): AddressPolicyOptions {
  const { loopbackOnly, ownPorts, allowAddresses: allow, adminPorts } = options
  const ownAddresses = (): string[] =>
    Object.values(networkInterfaces()).flatMap(addresses => (addresses ?? []).map(({ address }) => address))
  return { loopbackOnly, ownPorts, ownAddresses, ...(allow && { allow }), ...(adminPorts && { adminPorts }) }
}
