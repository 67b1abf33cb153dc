/** What clients are told: the snapshot of their group, over the endpoints of the registry. */
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { buildAssignment } from './endpoints/endpoint-builder.ts'
import { Publisher } from './endpoints/publisher.ts'
import type { Metrics } from './metrics.ts'
import type { Registry } from './registry/registry.ts'
import type { Wholeness } from './resources/wholeness.ts'
import { LinearCache } from './xds/linear-cache.ts'
import { createResource } from './xds/resource.ts'
import { WILDCARD } from './xds/resource-cache.ts'
import { ENDPOINT } from './xds/resource-type.ts'
import { SnapshotCache } from './xds/snapshot-cache.ts'

export interface ServedCaches {
  readonly publisher: Publisher
  readonly endpoints: LinearCache
  readonly snapshots: SnapshotCache
}

export function cachesOf(
  registry: Registry,
  wholeness: Wholeness,
  config: Config,
  clock: Clock,
  metrics: Metrics,
): ServedCaches {
  const { warmUp } = registry
  // A service never heard of is told as empty, so that a cluster which waits for it goes on.
  const placeholder = (name: string) => createResource(ENDPOINT, name, buildAssignment(name, []))
  const demand = (service: string) => publisher.demand(service)
  // Silence keeps what a client has until it is certain that we know as much (2.2 rule 5), and what nobody
  // registered may be in a snapshot that is still to come.
  const hold = (name: string, clientVersion: string): boolean => {
    const mayCome = !snapshots.isSet && name !== WILDCARD && registry.instances(name) === undefined
    return mayCome || warmUp.holds(clientVersion)
  }
  const endpoints: LinearCache = new LinearCache(ENDPOINT, { placeholder, demand, hold, clock })
  const published = (durationMs: number) => metrics.published(durationMs / 1000)
  const publisher = new Publisher({ clock, registry, cache: endpoints, published })
  const snapshots: SnapshotCache = new SnapshotCache({
    clock,
    grouping: config.nodeGroup,
    shared: [endpoints],
    hold: clientVersion => warmUp.holds(clientVersion) || (clientVersion !== '' && !wholeness.isWhole),
  })
  return { publisher, endpoints, snapshots }
}
