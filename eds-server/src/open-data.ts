/** Opens what outlives the process: the registrations, and the documents that clients are served. */
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { InstanceCount } from './metric-readings.ts'
import type { Metrics } from './metrics.ts'
import { openStore } from './registry/open-store.ts'
import { Registry } from './registry/registry.ts'
import { memoryStore } from './registry/store.ts'
import { openResources, type Resources } from './resources/open-resources.ts'

/** Rejects as `openStore` and `openResources` do; then nothing is left open. */
export async function openData(
  config: Config,
  logger: Logger,
  clock: Clock,
  metrics: Metrics,
): Promise<{ registry: Registry; resources: Resources }> {
  const registry = await openRegistry(config, logger, clock, metrics)
  try {
    const resources = await openResources({
      directory: config.resources,
      dataDir: config.dataDir,
      // Nothing that the server answers is encrypted: beyond loopback everybody on the way could read a secret.
      secretsAllowed: config.loopbackOnly,
      clock,
      log: logger,
      refused: origin => metrics.resourceRefused(origin),
    })
    metrics.readFrom({
      resources: () => resources.api.counts(),
      resourceErrors: () => resources.api.errors().length,
      expiries: () => resources.certificates.list(),
    })
    return { registry, resources }
  } catch (error) {
    registry.close()
    throw error
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

function observeRegistry(registry: Registry, metrics: Metrics, logger: Logger): void {
  registry.on(({ type, instance }) => {
    const { service, instanceId } = instance
    if (type === 'expired') metrics.expired(service)
    if (type === 'stalled') logger.warn({ service, instanceId }, 'stalled: its main thread is blocked')
    if (type === 'resumed') logger.info({ service, instanceId }, 'no longer stalled')
  })
  metrics.readFrom({
    instances: () => Array.from(registry.services()).flatMap(service => countsOf(registry, service)),
    storeFailing: () => registry.storeTrouble() !== undefined,
    warm: () => registry.warmUp.isWarm,
    postponedRemovals: () => registry.postponedRemovals,
  })
}

function countsOf(registry: Registry, service: string): InstanceCount[] {
  const counts = new Map<string, number>()
  for (const { status, lapsed, stalled } of registry.instances(service) ?? []) {
    const shown = lapsed ? 'lapsed' : stalled ? 'stalled' : status
    counts.set(shown, (counts.get(shown) ?? 0) + 1)
  }
  return Array.from(counts, ([status, count]) => ({ service, status, count }))
}
