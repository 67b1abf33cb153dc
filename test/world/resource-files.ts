/** Resources as data, as tests write them: the samples of envoy/resources with other ports, and calls of the API. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/processes/programs.ts'

/** What the samples ship with. */
const LISTENER_PORT = 'port_value: 10000'
const UPSTREAM_PORT = 'port_value: 8081'

/** A copy of envoy/resources in the folder; returns its path. */
export function sampleResources(
  folder: string,
  { listenerPort, upstreamPort }: { listenerPort: number; upstreamPort: number },
): string {
  const directory = join(folder, 'resources')
  mkdirSync(directory)
  cpSync(join(ROOT, 'envoy', 'resources'), directory, { recursive: true })
  replaceIn(join(directory, 'listeners.yaml'), LISTENER_PORT, `port_value: ${listenerPort}`)
  replaceIn(join(directory, 'clusters.yaml'), UPSTREAM_PORT, `port_value: ${upstreamPort}`)
  return directory
}

function replaceIn(file: string, expected: string, value: string): void {
  const text = readFileSync(file, 'utf8')
  // A replacement that hits nothing would test something else, or leave the machine.
  assert.ok(text.includes(expected), `${file} has no ${expected}`)
  writeFileSync(file, text.replace(expected, value))
}

type Json = Record<string, unknown>

/** A cluster with the endpoints of a service; `seconds` tells versions apart. */
export function edsCluster(name: string, seconds = 1): Json {
  return {
    '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    name,
    type: 'EDS',
    connect_timeout: `${seconds}s`,
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    ignore_health_on_host_removal: true,
  }
}

/** Routes by path prefix to clusters, the first that fits. */
export function routesByPrefix(name: string, clusters: Record<string, string>): Json {
  const routes = Object.entries(clusters).map(([prefix, cluster]) => ({
    match: { prefix },
    route: { cluster },
  }))
  return {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name,
    virtual_hosts: [{ name: 'all', domains: ['*'], routes }],
  }
}

/** An HTTP listener with the routes of that name; `statPrefix` tells versions apart. */
export function httpListener(name: string, port: number, routes: string, statPrefix = 'http'): Json {
  const manager = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: statPrefix,
    rds: { route_config_name: routes, config_source: { ads: {}, resource_api_version: 'V3' } },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  }
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  }
}

export async function putResource({ url }: { url: string }, type: string, document: Json): Promise<void> {
  const answer = await fetch(`${url}/v1/resources/${type}/${document.name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  })
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
}

export async function deleteResource({ url }: { url: string }, type: string, name: string): Promise<void> {
  const answer = await fetch(`${url}/v1/resources/${type}/${name}`, { method: 'DELETE' })
  assert.equal(answer.status, 204, await answer.text())
}

/** Without a lease: it stays until it is removed. */
export async function registerHost({ url }: { url: string }, service: string, port: number): Promise<void> {
  const query = new URLSearchParams({ service, endpoint: `127.0.0.1:${port}` })
  const answer = await fetch(`${url}/edsservice/register?${query}`)
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
}
