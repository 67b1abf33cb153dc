/** An Envoy that gets everything from a whole EDS server: the shipped bootstrap with other ports. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Envoy, startEnvoy } from '../../scripts/processes/programs.ts'
import { bootstrapPath, type CONTROL_PLANE_BOOTSTRAPS } from './bootstrap.ts'
import type { World } from './world.ts'

export async function startDynamicEnvoy(
  world: World,
  bootstrap: (typeof CONTROL_PLANE_BOOTSTRAPS)[number],
  grpcPort: number,
): Promise<Envoy> {
  const text = readFileSync(bootstrapPath(bootstrap), 'utf8')
  const file = join(world.folder, bootstrap)
  writeFileSync(file, text.replace('8080', String(grpcPort)).replace('19000', '0'))
  const adminAddressPath = join(world.folder, `${bootstrap}.admin`)
  const envoy = await startEnvoy({
    name: 'envoy',
    bootstrap: file,
    adminAddressPath,
    logFolder: world.folder,
  })
  world.adopt(envoy.child)
  return envoy
}

const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'

/** A listener as a document, with its routes in it; all requests go as `route` says. */
export function listenerDocument(name: string, port: number, route: object, chain: object = {}): object {
  const manager = {
    '@type': MANAGER,
    stat_prefix: name,
    route_config: {
      name,
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
  }
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...chain,
      },
    ],
  }
}
