/** Discovery as it is served: streams and single requests over the same snapshots, and who has what. */
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { clientConfig } from './client-config.ts'
import type { Clock } from './clock.ts'
import type { ClientConfigPort, Discovery } from './http/context.ts'
import type { Metrics } from './metrics.ts'
import type { Registry } from './registry/registry.ts'
import { resourcesService } from './resources/grpc-service.ts'
import type { Resources } from './resources/open-resources.ts'
import { clientStatusJson, clientStatusService } from './xds/client-status-service.ts'
import { EXPECTED_TIMEOUT, type FetchCall, type FetchOptions, FetchServer } from './xds/fetch.ts'
import { requestSchemaOf } from './xds/fetch-schema.ts'
import { XdsServer } from './xds/grpc-server.ts'
import type { ClientStatus, NodeView } from './xds/node-status.ts'
import { ENDPOINT } from './xds/resource-type.ts'
import type { SnapshotCache } from './xds/snapshot-cache.ts'

export interface ServedDiscovery {
  readonly xds: XdsServer
  readonly fetches: Discovery
  readonly clientConfig: ClientConfigPort
  /** Every connected client. */
  nodes(): readonly NodeView[]
  /** Ends the single requests that are held. */
  close(): void
}

export interface ServedDiscoveryOptions {
  readonly snapshots: SnapshotCache
  readonly registry: Registry
  readonly resources: Resources
  readonly logger: Logger
  readonly clock: Clock
  readonly metrics: Metrics
}

/** Not listening yet. */
export function serveDiscovery(options: ServedDiscoveryOptions): ServedDiscovery {
  const { snapshots, registry, resources, logger, clock, metrics } = options
  const failed = (err: unknown): void => logger.error({ err }, 'request failed')
  const common = { groups: snapshots, clock, identifier: `rollcall/${hostname()}`, observer: metrics }
  const isKnown: FetchOptions['isKnown'] = (name, type) =>
    type !== ENDPOINT || registry.instances(name) !== undefined
  const fetching = new FetchServer({ ...common, isKnown })
  const clients = (): ClientStatus[] => [...xds.clients(), ...fetching.clients()]
  const services = [resourcesService(resources.api, failed), clientStatusService(clients, failed)]
  const xds: XdsServer = new XdsServer({ ...common, logger, services })
  return {
    xds,
    fetches: discoveryOf(fetching),
    clientConfig: {
      of: (node, type) => clientConfig(clients(), node, type),
      status: clientStatusJson(clients),
    },
    nodes: () => [...xds.nodes(), ...fetching.nodes()],
    close: () => fetching.close(),
  }
}

/** What http/ may know of discovery: paths and functions. */
export function discoveryOf(fetching: FetchServer): Discovery {
  const methods = fetching.methods.map(method => ({
    path: method.path,
    summary: `Fetch ${method.type.restName}, protocol ${method.generation}`,
    bodySchema: requestSchemaOf(method),
    answer: (call: FetchCall) => fetching.fetch(method, call),
  }))
  return { methods, timeoutHeader: EXPECTED_TIMEOUT }
}
