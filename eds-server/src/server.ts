/**
 * The composition root: the only file that imports every layer. The way of the data is registry -> publisher ->
 * cache -> streams; what http/ may know of the layers behind it is handed to it here.
 */
import type { Logger } from 'pino'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { Delivery } from './endpoints/delivery.ts'
import { createApp } from './http/app.ts'
import type { HttpApp, Readiness } from './http/context.ts'
import { LISTEN_BACKLOG, listenError } from './listening.ts'
import { Metrics } from './metrics.ts'
import { openData } from './open-data.ts'
import type { Registry } from './registry/registry.ts'
import type { WarmUp } from './registry/warm-up.ts'
import type { Resources } from './resources/open-resources.ts'
import { NOT_WHOLE } from './resources/wholeness.ts'
import { cachesOf } from './served-caches.ts'
import { serveDiscovery } from './served-discovery.ts'
import { type ServedPolicy, servePolicy } from './served-policy.ts'

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
  const { registry, resources } = await openData(config, logger, clock, metrics)
  const { publisher, endpoints, snapshots } = cachesOf(registry, resources.wholeness, config, clock, metrics)
  const discovery = serveDiscovery({ snapshots, registry, resources, logger, clock, metrics })
  const { xds } = discovery
  const policy = servePolicy({ file: config.policy, registry, resources, clock, logger })
  resources.store.on((group, snapshot) => {
    if (snapshot) snapshots.set(group, snapshot)
    else snapshots.clear(group)
  })
  resources.wholeness.onWhole(() => snapshots.release())
  holdUntilWarm(registry.warmUp, logger, isServing => {
    xds.serve(isServing)
    if (!isServing) return
    endpoints.release()
    snapshots.release()
  })

  const ports: number[] = []
  const app = createApp({
    ...config,
    registry,
    metrics,
    logger,
    clock,
    delivery: new Delivery({ clock, registry, publisher, cache: endpoints, hasPast: registry.hasPast }),
    discovery: discovery.fetches,
    resources: resources.api,
    clientConfig: discovery.clientConfig,
    nodes: discovery.nodes,
    readiness: () => readinessOf(registry, resources, policy),
    ownPorts: () => ports,
  })
  const stop = async (): Promise<void> => {
    await Promise.all([app.close(), xds.stop(STOP_GRACE_MS)])
    discovery.close()
    snapshots.close()
    publisher.close()
    policy.close()
    await resources.close()
    registry.close()
  }
  try {
    ports.push(await xds.listen(config.host, config.grpcPort))
    ports.push(await listen(app, config.host, config.httpPort))
    registry.warmUp.reachable()
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

/** Streams are accepted from the start; until the server is warm its health says that they had better not come. */
function holdUntilWarm(warmUp: WarmUp, logger: Logger, serve: (isServing: boolean) => void): void {
  serve(warmUp.isWarm)
  if (warmUp.isWarm) return
  logger.info(warmUp.state(), 'warming up')
  warmUp.onWarm(() => {
    logger.info('warm')
    serve(true)
  })
}

function readinessOf(registry: Registry, resources: Resources, policy: ServedPolicy): Readiness {
  const { warm, reason = '', remainingMs } = registry.warmUp.state()
  if (!warm) return { ready: false, reason: `warming up: ${reason}`, remainingMs }
  const { frozen, reason: silence } = registry.preservation.state()
  const troubles = [registry.storeTrouble(), policy.trouble()].filter(each => each !== undefined)
  const warnings = [
    ...troubles,
    ...(frozen ? [`expiry is frozen: ${silence}`] : []),
    ...resources.api.errors().map(({ message }) => `resources: ${message}`),
    ...resources.certificates.warnings(),
    ...(resources.wholeness.isWhole ? [] : [`resources: ${NOT_WHOLE}`]),
  ]
  return { ready: true, warnings }
}

async function listen(app: HttpApp, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port, backlog: LISTEN_BACKLOG })
  } catch (cause) {
    throw listenError(cause, { protocol: 'HTTP', host, port })
  }
  const address = app.server.address()
  return typeof address === 'object' && address ? address.port : port
}
