/** A discovery server over caches that the test fills, on a port of its own; it stops with the test. */
import pino from 'pino'
import { type Clock, systemClock } from '../../eds-server/src/clock.ts'
import { type XdsLimits, XdsServer } from '../../eds-server/src/xds/grpc-server.ts'
import { LinearCache } from '../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT, LISTENER, ROUTE } from '../../eds-server/src/xds/resource-type.ts'
import type { XdsObserver } from '../../eds-server/src/xds/stream-context.ts'
import { fixedCaches } from '../world/fixed-caches.ts'

export const IDENTIFIER = 'rollcall/test'

export interface TestServerOptions {
  readonly clock?: Clock
  readonly limits?: Partial<XdsLimits>
  readonly observer?: XdsObserver
}

export class TestServer implements AsyncDisposable {
  readonly clusters: LinearCache = new LinearCache(CLUSTER)
  readonly endpoints: LinearCache = new LinearCache(ENDPOINT)
  readonly listeners: LinearCache = new LinearCache(LISTENER)
  readonly routes: LinearCache = new LinearCache(ROUTE)
  readonly xds: XdsServer
  port = 0

  constructor({ clock = systemClock, limits = {}, observer = {} }: TestServerOptions = {}) {
    const groups = fixedCaches(this.listeners, this.routes, this.endpoints, this.clusters)
    const logger = pino({ level: 'silent' })
    this.xds = new XdsServer({ groups, logger, clock, identifier: IDENTIFIER, limits, observer })
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options)
    server.port = await server.xds.listen('127.0.0.1', 0)
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.xds.stop(1000)
  }
}
