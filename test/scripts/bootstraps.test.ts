/** The bootstraps of envoy/: each is accepted by Envoy itself, and they agree wherever they are not meant to differ. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { ROOT } from '../../scripts/processes/programs.ts'
import {
  BOOTSTRAPS,
  type Bootstrap,
  bootstrapPath,
  bootstrapWith,
  CONTROL_PLANE_BOOTSTRAPS,
  validated,
} from '../world/bootstrap.ts'

type Json = Record<string, unknown>
interface Cluster extends Json {
  name: string
  eds_cluster_config: { eds_config: Json }
}
interface BootstrapFile extends Json {
  static_resources: { clusters: [Cluster, Cluster] }
}

function read(name: Bootstrap): BootstrapFile {
  return parse(readFileSync(bootstrapPath(name), 'utf8')) as BootstrapFile
}

/** What each file makes of eds-grpc.yaml; everything else in it must be the same. */
const DIFFERENCES: Record<Bootstrap, (file: BootstrapFile) => void> = {
  'eds-grpc.yaml': () => undefined,
  'eds-delta-grpc.yaml': file => {
    Object.assign(sourceOf(file), { api_type: 'DELTA_GRPC' })
  },
  'ads-grpc.yaml': file => moveToAds(file, 'GRPC'),
  'ads-delta-grpc.yaml': file => moveToAds(file, 'DELTA_GRPC'),
  'eds-rest.yaml': file => {
    const config = file.static_resources.clusters[0].eds_cluster_config.eds_config
    config.api_config_source = {
      api_type: 'REST',
      transport_api_version: 'V3',
      cluster_names: ['eds_cluster'],
      request_timeout: '15s',
      refresh_delay: '0.1s',
    }
    const server = file.static_resources.clusters[1]
    delete server.typed_extension_protocol_options
    const [check] = server.health_checks as [Json]
    delete check.grpc_health_check
    check.http_health_check = { path: '/readyz' }
    const text = JSON.stringify(server.load_assignment).replace('"port_value":8080', '"port_value":5000')
    server.load_assignment = JSON.parse(text)
  },
  'eds-grpc-no-health-checks.yaml': file => {
    assert.ok(file.static_resources.clusters[0].health_checks)
    delete file.static_resources.clusters[0].health_checks
  },
  'eds-grpc-keep-passing-hosts.yaml': file => {
    assert.equal(file.static_resources.clusters[0].ignore_health_on_host_removal, true)
    delete file.static_resources.clusters[0].ignore_health_on_host_removal
  },
}

function sourceOf(file: BootstrapFile): Json {
  return file.static_resources.clusters[0].eds_cluster_config.eds_config.api_config_source as Json
}

function moveToAds(file: BootstrapFile, apiType: string): void {
  const config = file.static_resources.clusters[0].eds_cluster_config.eds_config
  file.dynamic_resources = { ads_config: { ...sourceOf(file), api_type: apiType } }
  delete config.api_config_source
  config.ads = {}
}

// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
const RETRY_WORDS = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited'],
  ...['retriable-4xx', 'refused-stream', 'retriable-status-codes', 'retriable-headers'],
  ...['http3-post-connect-failure', 'cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted'],
  'unavailable',
])

function* valuesOf(node: unknown, key: string): Generator<unknown> {
  if (typeof node !== 'object' || node === null) return
  for (const [name, value] of Object.entries(node)) {
    if (name === key) yield value
    yield* valuesOf(value, key)
  }
}

/** The scene in containers. */
const SCENE = ['scene.yaml', 'compose.yaml']

describe('the bootstraps', () => {
  test('are all known to the tests', () => {
    const shipped = readdirSync(join(ROOT, 'envoy')).filter(name => name.endsWith('.yaml'))
    assert.deepEqual(shipped.sort(), [...BOOTSTRAPS, ...CONTROL_PLANE_BOOTSTRAPS, ...SCENE].sort())
  })

  test('are all in the table of the README', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const rows = Array.from(readme.matchAll(/^\| `envoy\/([\w-]+\.yaml)` +\|/gm), match => match[1])
    assert.deepEqual(rows, [...BOOTSTRAPS, ...CONTROL_PLANE_BOOTSTRAPS])
  })

  test('scene.yaml is eds-rest.yaml with the addresses of compose.yaml, and Envoy takes it', async () => {
    const text = (name: string) => readFileSync(join(ROOT, 'envoy', name), 'utf8')
    const rest = JSON.stringify(parse(text('eds-rest.yaml')))
    const expected = rest
      .replaceAll('service_backend', 'targetCluster')
      .replaceAll(/"127.0.0.1","port_value":(9901|10000)/g, '"0.0.0.0","port_value":$1')
      .replace('"127.0.0.1","port_value":5000', '"172.18.0.4","port_value":8080')
    assert.deepEqual(parse(text('scene.yaml')), JSON.parse(expected))
    assert.match(await validated(join(ROOT, 'envoy', 'scene.yaml')), /OK/)
  })

  for (const name of BOOTSTRAPS) {
    test(`${name} passes envoy --mode validate`, async () => {
      assert.match(await validated(bootstrapPath(name)), /OK/)
    })

    test(`${name} differs from eds-grpc.yaml only as its header says`, () => {
      const expected = read('eds-grpc.yaml')
      DIFFERENCES[name](expected)
      assert.deepEqual(read(name), expected)
    })

    test(`${name} has only words in retry_on that Envoy knows`, () => {
      const rules = [...valuesOf(read(name), 'retry_on')]
      assert.equal(rules.length, 1)
      const unknown = String(rules[0])
        .split(',')
        .filter(word => !RETRY_WORDS.has(word))
      assert.deepEqual(unknown, [])
    })
  }

  test('stay what is shipped when a test changes their ports', () => {
    const changed = parse(
      bootstrapWith('eds-grpc.yaml', { serverPort: 8080, listenerPort: 10000 }),
    ) as BootstrapFile
    const shipped = read('eds-grpc.yaml')
    Object.assign(shipped, {
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    })
    assert.deepEqual(changed, shipped)
  })
})
