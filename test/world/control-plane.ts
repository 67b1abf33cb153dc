/**
 * A control plane in this process for a real Envoy: snapshots that the test sets, and an Envoy that has nothing but
 * where to ask, in one of the four forms.
 */
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import pino from 'pino'
import { stringify } from 'yaml'
import { systemClock } from '../../eds-server/src/clock.ts'
import { XdsServer } from '../../eds-server/src/xds/grpc-server.ts'
import { createResource, type Resource } from '../../eds-server/src/xds/resource.ts'
import { CLUSTER, LISTENER, type ResourceType, ROUTE } from '../../eds-server/src/xds/resource-type.ts'
import type { Snapshot } from '../../eds-server/src/xds/snapshot.ts'
import { SnapshotCache } from '../../eds-server/src/xds/snapshot-cache.ts'
import { type Envoy, startEnvoy } from '../../scripts/processes/programs.ts'
import type { Form } from '../conformance/raw-client.ts'
import { messageType } from '../conformance/resources.ts'
import type { World } from './world.ts'

const V3 = 2
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'

export class ControlPlane implements AsyncDisposable {
  readonly snapshots: SnapshotCache
  readonly xds: XdsServer
  readonly form: Form
  port = 0

  private constructor(form: Form) {
    this.form = form
    this.snapshots = new SnapshotCache({ clock: systemClock, grouping: 'cluster' })
    const logger = pino({ level: 'silent' })
    const options = { clock: systemClock, logger, identifier: 'rollcall/test' }
    this.xds = new XdsServer({ groups: this.snapshots, ...options })
  }

  static async start(form: Form): Promise<ControlPlane> {
    const plane = new ControlPlane(form)
    plane.port = await plane.xds.listen('127.0.0.1', 0)
    return plane
  }

  set(...resources: readonly [ResourceType, Resource][]): void {
    this.snapshots.set('', snapshot(...resources))
  }

  /** A cluster with its endpoints from EDS; `seconds` tells versions apart. */
  cluster(name: string, seconds = 1): [ResourceType, Resource] {
    return [
      CLUSTER,
      encoded(CLUSTER, name, {
        name,
        type: 3,
        eds_cluster_config: { eds_config: this.#source() },
        connect_timeout: { seconds },
        ignore_health_on_host_removal: true,
      }),
    ]
  }

  /** An HTTP listener with its routes from RDS. */
  listener(name: string, port: number, routes: string): [ResourceType, Resource] {
    return this.anyListener(name, port, {
      stat_prefix: name,
      rds: { route_config_name: routes, config_source: this.#source() },
      http_filters: [
        { name: 'envoy.filters.http.router', typed_config: { type_url: ROUTER, value: Buffer.alloc(0) } },
      ],
    })
  }

  anyListener(name: string, port: number, manager: object): [ResourceType, Resource] {
    const value = messageType(MANAGER).serialize(manager)
    const typed_config = { type_url: `type.googleapis.com/${MANAGER}`, value }
    const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config }]
    const address = { socket_address: { address: '127.0.0.1', port_value: port } }
    return [LISTENER, encoded(LISTENER, name, { name, address, filter_chains: [{ filters }] })]
  }

  route(name: string, cluster: string): [ResourceType, Resource] {
    const routes = [{ match: { prefix: '/' }, route: { cluster } }]
    return [ROUTE, encoded(ROUTE, name, { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] })]
  }

  /** Waits until its admin port answers. */
  async startEnvoy(world: World): Promise<Envoy> {
    const bootstrap = join(world.folder, 'dynamic.yaml')
    writeFileSync(bootstrap, stringify(this.#bootstrap()))
    const adminAddressPath = join(world.folder, 'dynamic.admin')
    const options = { name: 'envoy', bootstrap, adminAddressPath, serving: false, logFolder: world.folder }
    const envoy = await startEnvoy(options)
    world.adopt(envoy.child)
    return envoy
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.xds.stop(1000)
    this.snapshots.close()
  }

  get #apiType(): number {
    return this.form.protocol === 'delta' ? 3 : 2
  }

  #source(): object {
    if (this.form.aggregated) return { ads: {}, resource_api_version: V3 }
    return { api_config_source: this.#api(), resource_api_version: V3 }
  }

  #api(): object {
    return {
      api_type: this.#apiType,
      transport_api_version: V3,
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    }
  }

  #bootstrap(): object {
    const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } })
    const endpoint = { address: address(this.port) }
    const http2 = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
    return {
      node: { id: 'envoy-1', cluster: 'front' },
      admin: { address: address(0) },
      dynamic_resources: {
        ...(this.form.aggregated && { ads_config: this.#api() }),
        cds_config: this.#source(),
        lds_config: this.#source(),
      },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type': http2,
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
          },
        ],
      },
    }
  }
}

function snapshot(...resources: readonly [ResourceType, Resource][]): Snapshot {
  const byType = new Map<string, Map<string, Resource>>()
  for (const [{ typeUrl }, resource] of resources) {
    const known = byType.get(typeUrl) ?? new Map<string, Resource>()
    byType.set(typeUrl, known.set(resource.name, resource))
  }
  return { resources: byType }
}

function encoded(type: ResourceType, name: string, message: object): Resource {
  return createResource(type, name, messageType(type.typeUrl.split('/')[1] ?? '').serialize(message))
}

/** A server that answers every request with its name. */
export class Backend implements AsyncDisposable {
  readonly #server: Server
  port = 0

  private constructor(name: string) {
    this.#server = createServer((_request, response) => response.end(name))
    // Longer than Envoy keeps an idle connection in a test: it never meets one that is just being closed.
    this.#server.keepAliveTimeout = 120_000
  }

  static async start(name: string): Promise<Backend> {
    const backend = new Backend(name)
    await new Promise<void>(resolve => backend.#server.listen(0, '127.0.0.1', resolve))
    const address = backend.#server.address()
    backend.port = typeof address === 'object' && address ? address.port : 0
    return backend
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
