/** The bootstraps of an Envoy that gets everything from the control plane: what they have in common with the others. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { startEnvoy } from '../../scripts/processes/programs.ts'
import { bootstrapPath, CONTROL_PLANE_BOOTSTRAPS, validated } from '../world/bootstrap.ts'
import { freePort, inWorld } from '../world/world.ts'

type Json = Record<string, unknown>
interface Source extends Json {
  api_type: string
}
interface File {
  node: Json
  dynamic_resources: { ads_config: Source; cds_config: Json; lds_config: Json }
  layered_runtime: { layers: [{ name: string; rtds_layer: { name: string; rtds_config: Json } }] }
  static_resources: { listeners?: unknown; clusters: Json[] }
}

function read(name: string): File {
  return parse(readFileSync(bootstrapPath(name), 'utf8')) as File
}

describe('the bootstraps of a control plane', () => {
  for (const name of CONTROL_PLANE_BOOTSTRAPS) {
    test(`${name} passes envoy --mode validate`, async () => {
      assert.match(await validated(bootstrapPath(name)), /OK/)
    })
  }

  test('name nothing but the node, the admin port, the sources and the server', () => {
    const { node, dynamic_resources: dynamic, layered_runtime: runtime, ...rest } = read('control-plane.yaml')
    assert.deepEqual(Object.keys(rest).sort(), ['admin', 'static_resources'])
    const client_features = ['xds.config.supports-resource-ttl', 'xds.config.resource-in-sotw']
    assert.deepEqual(node, { cluster: 'test-cluster', id: 'test-id', client_features })
    const fromStream = { resource_api_version: 'V3', initial_fetch_timeout: '0s', ads: {} }
    assert.deepEqual([dynamic.cds_config, dynamic.lds_config], [fromStream, fromStream])
    const [layer] = runtime.layers
    assert.deepEqual([layer.name, layer.rtds_layer.name], ['runtime-0', 'runtime-0'])
    assert.deepEqual(layer.rtds_layer.rtds_config.api_config_source, dynamic.ads_config)
    assert.deepEqual(Object.keys(rest.static_resources), ['clusters'])
  })

  test('reach the server with the settings of ads-grpc.yaml', () => {
    const named = (value: unknown) =>
      JSON.parse(JSON.stringify(value).replaceAll('eds_cluster', 'xds_cluster'))
    const [ads, here] = [read('ads-grpc.yaml'), read('control-plane.yaml')]
    assert.deepEqual(here.dynamic_resources.ads_config, named(ads.dynamic_resources.ads_config))
    const server = named(ads.static_resources.clusters[1]) as Json
    assert.deepEqual(here.static_resources.clusters, [{ ...server, type: 'STRICT_DNS' }])
  })

  test('differ from one another in both api_type', () => {
    const text = JSON.stringify(read('control-plane.yaml'))
    const delta = text.replaceAll('"api_type":"GRPC"', '"api_type":"DELTA_GRPC"')
    assert.deepEqual(read('control-plane-delta.yaml'), JSON.parse(delta))
  })

  test(
    'serve a front proxy and a sidecar alike: the command line names the node',
    inWorld(async world => {
      // No server listens there, so Envoy never gets further than its admin port.
      const text = readFileSync(bootstrapPath('control-plane.yaml'), 'utf8')
      const bootstrap = join(world.folder, 'control-plane.yaml')
      writeFileSync(bootstrap, text.replace('8080', String(await freePort())).replace('19000', '0'))
      const envoy = await startEnvoy({
        bootstrap,
        adminAddressPath: join(world.folder, 'admin'),
        serving: false,
        args: ['--service-cluster', 'front-proxy', '--service-node', 'front-1'],
      })
      world.adopt(envoy.child)
      const { node } = (await (await fetch(`${envoy.admin.url}/server_info`)).json()) as { node: Json }
      assert.deepEqual([node.cluster, node.id], ['front-proxy', 'front-1'])
    }),
  )
})
