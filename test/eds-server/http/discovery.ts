/** Discovery over a registry as the server composes it, for tests of the HTTP side. */
import { clientConfig as clientConfigOf } from '../../../eds-server/src/client-config.ts'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { buildAssignment } from '../../../eds-server/src/endpoints/endpoint-builder.ts'
import { Publisher } from '../../../eds-server/src/endpoints/publisher.ts'
import type { ClientConfigPort } from '../../../eds-server/src/http/context.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'
import { discoveryOf } from '../../../eds-server/src/served-discovery.ts'
import { clientStatusJson } from '../../../eds-server/src/xds/client-status-service.ts'
import { FetchServer } from '../../../eds-server/src/xds/fetch.ts'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { createResource } from '../../../eds-server/src/xds/resource.ts'
import { ENDPOINT } from '../../../eds-server/src/xds/resource-type.ts'
import { fixedCaches } from '../../world/fixed-caches.ts'
import { type Api, startApi } from './api.ts'

export interface DiscoveryApi extends Api {
  readonly fetching: FetchServer
  readonly cache: LinearCache
}

/** Like startApi, with the discovery routes. */
export async function startDiscovery(change: Parameters<typeof startApi>[0] = {}): Promise<DiscoveryApi> {
  const clock = systemClock
  const registry = change.registry ?? new Registry({ clock, store: memoryStore })
  const cache = new LinearCache(ENDPOINT, {
    placeholder: name => createResource(ENDPOINT, name, buildAssignment(name, [])),
    demand: name => publisher.demand(name),
    clock,
  })
  const publisher = new Publisher({ clock, registry, cache })
  const isKnown = (name: string): boolean => registry.instances(name) !== undefined
  const fetching = new FetchServer({ groups: fixedCaches(cache), clock, identifier: 'test', isKnown })
  const nodes = () => fetching.nodes()
  const clients = () => fetching.clients()
  const clientConfig: ClientConfigPort = {
    of: (node, type) => clientConfigOf(clients(), node, type),
    status: clientStatusJson(clients),
  }
  const discovery = discoveryOf(fetching)
  const api = await startApi({ registry, discovery, nodes, clientConfig, ...change })
  return {
    ...api,
    fetching,
    cache,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]()
      fetching.close()
      publisher.close()
    },
  }
}
