/** The types of resource that the other suites do not have, with a real Envoy: asked for, changed, missing. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { createResource, type Resource } from '../../eds-server/src/xds/resource.ts'
import { ENDPOINT, LB_ENDPOINT, type ResourceType } from '../../eds-server/src/xds/resource-type.ts'
import { until } from '../../scripts/processes/until.ts'
import { messageType } from '../conformance/resources.ts'
import { CONTROL_PLANE_BOOTSTRAPS, type ControlPlaneBootstrap } from '../world/bootstrap.ts'
import { ControlPlane } from '../world/control-plane.ts'
import { get } from '../world/front.ts'
import { freePort, inWorld, type World } from '../world/world.ts'

const TYPE = 'type.googleapis.com/envoy'
const HCM = `${TYPE}.extensions.filters.network.http_connection_manager.v3`
const ROUTER = {
  name: 'router',
  typed_config: { '@type': `${TYPE}.extensions.filters.http.router.v3.Router` },
}
const ADS = { ads: {}, resource_api_version: 'V3' }

function listener(name: string, port: number, manager: object, filters: readonly object[] = []): object {
  const typed_config = {
    '@type': `${HCM}.HttpConnectionManager`,
    stat_prefix: name,
    ...manager,
    http_filters: [...filters, ROUTER],
  }
  return {
    '@type': `${TYPE}.config.listener.v3.Listener`,
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'http', typed_config }] }],
  }
}

/** Answers with that text itself. */
function host(name: string, domain: string, text: string): object {
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: text } } }]
  return { name, domains: [domain], routes }
}

function routes(name: string, more: object): object {
  return { '@type': `${TYPE}.config.route.v3.RouteConfiguration`, name, ...more }
}

function scope(tenant: string, routeConfiguration: string): object {
  const fragments = [{ string_key: tenant }]
  return {
    '@type': `${TYPE}.config.route.v3.ScopedRouteConfiguration`,
    name: `scope ${tenant}`,
    route_configuration_name: routeConfiguration,
    key: { fragments },
  }
}

function byTenant(port: number): object {
  const extractor = { name: 'x-tenant', element: { separator: '=', key: 'id' } }
  const scoped_routes = {
    name: 'tenants',
    scope_key_builder: { fragments: [{ header_value_extractor: extractor }] },
    rds_config_source: ADS,
    scoped_rds: { scoped_rds_config_source: ADS },
  }
  return listener('scoped', port, { scoped_routes })
}

/** A filter that is discovered, and refuses every request with the status. */
function refusal(status: number): object {
  const percentage = { numerator: 100 }
  const fault = { '@type': `${TYPE}.extensions.filters.http.fault.v3.HTTPFault` }
  const typed_config = { ...fault, abort: { http_status: status, percentage } }
  return { '@type': `${TYPE}.config.core.v3.TypedExtensionConfig`, name: 'refusal', typed_config }
}

function refusing(port: number): object {
  const type_urls = [`${TYPE}.extensions.filters.http.fault.v3.HTTPFault`]
  const filter = { name: 'refusal', config_discovery: { config_source: ADS, type_urls } }
  const route_config = { name: 'local', virtual_hosts: [host('all', '*', 'let through')] }
  return listener('refusing', port, { route_config }, [filter])
}

const COLLECTION = 'xdstp://rollcall/envoy.config.endpoint.v3.LbEndpoint/blue/'

function encoded(type: ResourceType, name: string, message: object): [ResourceType, Resource] {
  const bytes = messageType(type.typeUrl.replace('type.googleapis.com/', '')).serialize(message)
  return [type, createResource(type, name, bytes)]
}

/** An assignment that has its endpoints from a collection. */
function collected(cluster: string): [ResourceType, Resource] {
  const leds_config = { ads: {}, resource_api_version: 2 }
  const leds_cluster_locality_config = { leds_config, leds_collection_name: `${COLLECTION}*` }
  const locality = { locality: { region: 'eu' }, load_balancing_weight: { value: 1 } }
  const endpoints = [{ ...locality, leds_cluster_locality_config }]
  return encoded(ENDPOINT, cluster, { cluster_name: cluster, endpoints })
}

function endpoint(port: number): [ResourceType, Resource] {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } }
  return encoded(LB_ENDPOINT, `${COLLECTION}${port}`, { endpoint: { address } })
}

class Files {
  readonly folder: string

  constructor(world: World) {
    this.folder = join(world.folder, 'resources')
    mkdirSync(this.folder)
  }

  write(name: string, ...documents: readonly object[]): void {
    writeFileSync(join(this.folder, `${name}.yaml`), documents.map(each => stringify(each)).join('---\n'))
  }
}

async function start(world: World, files: Files, bootstrap: ControlPlaneBootstrap) {
  const registry = await world.startRegistry({ args: ['--resources', files.folder] })
  const { admin } = await world.startDynamicEnvoy({ registry, bootstrap })
  const urlOf = async (listener: string) =>
    await until(
      `Envoy has the listener ${listener}`,
      async () => `http://127.0.0.1:${await admin.listenerPort(listener)}/`,
    )
  return { admin, urlOf }
}

describe('every type of resource reaches Envoy', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `scoped routes, extension configurations and runtime layers (${bootstrap})`,
      inWorld(async world => {
        const files = new Files(world)
        const runtime = { '@type': `${TYPE}.service.runtime.v3.Runtime`, name: 'runtime-0' }
        files.write('listeners', byTenant(await freePort()), refusing(await freePort()))
        files.write(
          'routes',
          ...['red', 'blue', 'green'].map(each => routes(each, { virtual_hosts: [host('all', '*', each)] })),
        )
        files.write('scopes', scope('a', 'red'))
        files.write('refusal', refusal(418))
        files.write('runtime', { ...runtime, layer: { 'my.key': 'one' } })
        const { admin, urlOf } = await start(world, files, bootstrap)
        const [scoped, refused] = [await urlOf('scoped'), await urlOf('refusing')]
        const tenant = async (id: string) => {
          const { status, body } = await get(scoped, { 'x-tenant': `id=${id}` })
          return status === 200 ? body : status
        }
        const state = async () => [
          await tenant('a'),
          await tenant('b'),
          (await get(refused)).status,
          await admin.runtime('my.key'),
        ]
        const is = async (what: string, expected: readonly unknown[]) =>
          await until(what, async () => {
            assert.deepEqual(await state(), expected)
            return true
          })
        await is('Envoy has all', ['red', 404, 418, 'one'])
        files.write('scopes', scope('a', 'blue'), scope('b', 'green'))
        files.write('refusal', refusal(429))
        files.write('runtime', { ...runtime, layer: { 'my.key': 'two' } })
        await is('Envoy has all as it is now', ['blue', 'green', 429, 'two'])
        const rejected = await admin.stats('(update|config)_(rejected|fail)$')
        assert.deepEqual(
          [...rejected].filter(([, count]) => count > 0),
          [],
        )
      }),
    )
  }

  test(
    'virtual hosts on demand: one that does not exist is 404 at once, and there as soon as it does (X-70)',
    inWorld(async (world, t) => {
      const files = new Files(world)
      const onDemand = {
        name: 'on_demand',
        typed_config: { '@type': `${TYPE}.extensions.filters.http.on_demand.v3.OnDemand` },
      }
      const rds = { route_config_name: 'hosts', config_source: ADS }
      files.write('listeners', listener('front', await freePort(), { rds }, [onDemand]))
      // Envoy names nothing until a request does, and would wait 15 s for an answer to that.
      const config_source = { ...ADS, initial_fetch_timeout: '0.1s' }
      files.write('routes', routes('hosts', { vhds: { config_source } }))
      const virtualHost = (domain: string) => ({
        '@type': `${TYPE}.service.discovery.v3.Resource`,
        name: `hosts/${domain}`,
        resource: { '@type': `${TYPE}.config.route.v3.VirtualHost`, ...host(domain, domain, domain) },
      })
      files.write('hosts', virtualHost('known.test'))
      const { urlOf } = await start(world, files, 'control-plane-delta.yaml')
      const url = await urlOf('front')
      const ask = async (domain: string) => {
        const startedAt = performance.now()
        const { status, body } = await get(url, { host: domain })
        return { status, body, ms: (performance.now() - startedAt).toFixed(0) }
      }
      const [known, unknown, again] = [
        await ask('known.test'),
        await ask('unknown.test'),
        await ask('unknown.test'),
      ]
      assert.deepEqual([known.status, known.body], [200, 'known.test'])
      assert.deepEqual([unknown.status, again.status], [404, 404])
      t.diagnostic(`known: ${known.ms} ms; unknown: ${unknown.ms} ms, again ${again.ms} ms`)
      files.write('hosts', virtualHost('known.test'), virtualHost('unknown.test'))
      await until('the host that was missing answers', async () => {
        const { status, body } = await ask('unknown.test')
        return status === 200 && body === 'unknown.test'
      })
    }),
  )

  test(
    'endpoints one by one, as they come and go (LEDS, X-55)',
    inWorld(async world => {
      await using plane = await ControlPlane.start({ protocol: 'delta', aggregated: true })
      const served = (...ports: readonly number[]) =>
        plane.set(plane.cluster('blue'), collected('blue'), ...ports.map(endpoint))
      served(1, 2)
      const { admin } = await plane.startEnvoy(world)
      const are = async (...ports: readonly number[]) =>
        await until(`the hosts are ${ports}`, async () => {
          const found = (await admin.hosts('blue')).map(({ address }) => address).sort()
          assert.deepEqual(
            found,
            ports.map(port => `127.0.0.1:${port}`),
          )
          return true
        })
      await are(1, 2)
      served(1, 2, 3)
      await are(1, 2, 3)
      served(3)
      await are(3)
      assert.equal(await admin.stat('cluster.blue.leds.update_rejected'), 0)
    }),
  )
})
