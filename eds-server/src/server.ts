/**
 * The composition root: the only file that imports every layer. The way of the data is registry -> publisher ->
 * cache -> streams; what http/ may know of the layers behind it is handed to it here.
 */
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { Delivery } from './endpoints/delivery.ts'
import { buildAssignment } from './endpoints/endpoint-builder.ts'
import { Publisher } from './endpoints/publisher.ts'
import { RollcallError } from './errors.ts'
import { createApp } from './http/app.ts'
import type { Discovery, HttpApp, Readiness } from './http/context.ts'
import { type InstanceCount, Metrics } from './metrics.ts'
import { openStore } from './registry/open-store.ts'
import { Registry } from './registry/registry.ts'
import { memoryStore } from './registry/store.ts'
import { EXPECTED_TIMEOUT, type FetchCall, FetchServer } from './xds/fetch.ts'
import { requestSchemaOf } from './xds/fetch-schema.ts'
import { XdsServer } from './xds/grpc-server.ts'
import { LinearCache } from './xds/linear-cache.ts'
import { createResource } from './xds/resource.ts'
import { ENDPOINT } from './xds/resource-type.ts'

export interface RunningServer {
  readonly grpcPort: number
  readonly httpPort: number
  /** Answers what is in flight, ends the streams, frees the ports. Idempotent. */
  stop(): Promise<void>
}

/** Streams that have not ended by themselves after this are cut. */
const STOP_GRACE_MS = 5000

/** Rejects with ROLLCALL_PORT_IN_USE where a port is taken; then nothing is left listening. */
export async function startServer(
  config: Config,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<RunningServer> {
  const metrics = new Metrics()
  const registry = await openRegistry(config, logger, clock, metrics)
  const { warmUp } = registry
  // A service never heard of is told as empty, so that a cluster which waits for it goes on.
  const placeholder = (name: string) => createResource(ENDPOINT, name, buildAssignment(name, []))
  const demand = (service: string) => publisher.demand(service)
  // Silence keeps what a client has until it is certain that we know as much (2.2 rule 5).
  const hold = (_name: string, clientVersion: string) => warmUp.holds(clientVersion)
  const endpoints = new LinearCache(ENDPOINT, { placeholder, demand, hold, clock })
  const publisher = new Publisher({
    clock,
    registry,
    cache: endpoints,
    published: durationMs => metrics.published(durationMs / 1000),
  })
  const identifier = `rollcall/${hostname()}`
  const xds = new XdsServer({ caches: [endpoints], logger, clock, identifier, observer: metrics })
  const fetching = new FetchServer({
    caches: [endpoints],
    clock,
    identifier,
    isKnown: service => registry.instances(service) !== undefined,
    observer: metrics,
  })
  xds.serve(warmUp.isWarm)
  if (!warmUp.isWarm) logger.info(warmUp.state(), 'warming up')
  warmUp.onWarm(() => {
    logger.info('warm')
    xds.serve(true)
    endpoints.release()
  })

  const ports: number[] = []
  const app = createApp({
    ...config,
    registry,
    metrics,
    logger,
    clock,
    delivery: new Delivery({ clock, registry, publisher, cache: endpoints, hasPast: registry.hasPast }),
    discovery: discoveryOf(fetching),
    nodes: () => [...xds.nodes(), ...fetching.nodes()],
    readiness: () => readinessOf(registry),
    ownPorts: () => ports,
  })
  const stop = async (): Promise<void> => {
    await Promise.all([app.close(), xds.stop(STOP_GRACE_MS)])
    fetching.close()
    publisher.close()
    registry.close()
  }
  try {
    ports.push(await xds.listen(config.host, config.grpcPort))
    ports.push(await listen(app, config.host, config.httpPort))
  } catch (error) {
    await stop()
    throw error
  }
  const [grpcPort = 0, httpPort = 0] = ports
  let stopped: Promise<void> | undefined
  return {
    grpcPort,
    httpPort,
    stop() {
      stopped ??= stop()
      return stopped
    },
  }
}

/** The registry with what its store has; what it says of itself goes to log and metrics. */
async function openRegistry(
  config: Config,
  logger: Logger,
  clock: Clock,
  metrics: Metrics,
): Promise<Registry> {
  const store = config.dataDir === undefined ? memoryStore : await openStore(config.dataDir, clock, logger)
  const registry = new Registry({
    clock,
    store,
    ttlMs: config.leaseTtlMs,
    preservationChanged: state => {
      metrics.frozen(state.frozen)
      if (state.frozen) logger.error(state, 'self-preservation: expiry is frozen')
      else logger.warn(state, 'self-preservation: expiry goes on')
    },
  })
  observeRegistry(registry, metrics, logger)
  return registry
}

/** What http/ may know of discovery: paths and functions. */
export function discoveryOf(fetching: FetchServer): Discovery {
  const methods = fetching.methods.map(method => ({
    path: method.path,
    summary: `Fetch ${method.cache.type.restName}, protocol ${method.generation}`,
    bodySchema: requestSchemaOf(method),
    answer: (call: FetchCall) => fetching.fetch(method, call),
  }))
  return { methods, timeoutHeader: EXPECTED_TIMEOUT }
}

function readinessOf(registry: Registry): Readiness {
  const { warm, reason = '', remainingMs } = registry.warmUp.state()
  if (!warm) return { ready: false, reason: `warming up: ${reason}`, remainingMs }
  const { frozen, reason: silence } = registry.preservation.state()
  const trouble = registry.storeTrouble()
  const warnings = [...(trouble ? [trouble] : []), ...(frozen ? [`expiry is frozen: ${silence}`] : [])]
  return { ready: true, warnings }
}

async function listen(app: HttpApp, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    const message = `the HTTP port ${port} of ${host} is already in use`
    throw new RollcallError('ROLLCALL_PORT_IN_USE', message, { field: '--http-port', value: port, cause })
  }
  const address = app.server.address()
  return typeof address === 'object' && address ? address.port : port
}

function observeRegistry(registry: Registry, metrics: Metrics, logger: Logger): void {
  registry.on(({ type, instance }) => {
    const { service, instanceId } = instance
    if (type === 'expired') metrics.expired(service)
    if (type === 'stalled') logger.warn({ service, instanceId }, 'stalled: its main thread is blocked')
    if (type === 'resumed') logger.info({ service, instanceId }, 'no longer stalled')
  })
  metrics.readHealth(() => ({
    storeFailing: registry.storeTrouble() !== undefined,
    warm: registry.warmUp.isWarm,
    postponed: registry.postponedRemovals,
  }))
  metrics.readInstances(() => Array.from(registry.services()).flatMap(service => countsOf(registry, service)))
}

function countsOf(registry: Registry, service: string): InstanceCount[] {
  const counts = new Map<string, number>()
  for (const { status, lapsed, stalled } of registry.instances(service) ?? []) {
    const shown = lapsed ? 'lapsed' : stalled ? 'stalled' : status
    counts.set(shown, (counts.get(shown) ?? 0) + 1)
  }
  return Array.from(counts, ([status, count]) => ({ service, status, count }))
}
