/** Caches that every node shares, for tests of what is above groups. */
import type { CacheGroups } from '../../eds-server/src/xds/cache-groups.ts'
import type { LinearCache } from '../../eds-server/src/xds/linear-cache.ts'
import { RESOURCE_TYPES } from '../../eds-server/src/xds/resource-type.ts'

export function fixedCaches(...caches: readonly LinearCache[]): CacheGroups {
  const byType = new Map(caches.map(cache => [cache.type.typeUrl, cache]))
  return {
    types: RESOURCE_TYPES.filter(({ typeUrl }) => byType.has(typeUrl)),
    cachesFor: () => byType,
    join: () => () => undefined,
  }
}
