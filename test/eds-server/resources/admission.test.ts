import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { JsonValue } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { Admission } from '../../../eds-server/src/resources/admission.ts'
import { documentOf } from '../../../eds-server/src/resources/any-json.ts'
import { resourcesIn } from '../../../eds-server/src/resources/document.ts'
import { kindNamed } from '../../../eds-server/src/resources/kinds.ts'
import { redacted } from '../../../eds-server/src/resources/secrets.ts'
import { admission, clusterNamed, listenerWith, refused, routesTo, secretNamed } from './documents.ts'

const CONFIG = '/filter_chains/0/filters/0/typed_config'
const invalid = 'ROLLCALL_INVALID_ARGUMENT'

function refusedDocument(document: unknown, ...parts: readonly string[]): void {
  refused(() => admission.json(document, 'f.yaml'), invalid, 'f.yaml: ', ...parts)
}

function nested(depth: number): JsonValue {
  let value: JsonValue = 'x'
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

describe('a document that is wrong is refused with its path', () => {
  const wrong: readonly [what: string, document: unknown, ...parts: string[]][] = [
    ['no object', [], 'is not an object with an @type'],
    ['no type', { name: 'a' }, '/@type: is missing', 'envoy.config.cluster.v3.Cluster'],
    [
      'an unknown type',
      { '@type': 'x/envoy.config.cluster.v3.Clusters' },
      '/@type: ',
      'known: ',
      'v3.Cluster',
    ],
    [
      'a type from another package',
      { '@type': 'type.googleapis.com/envoy.api.v2.RouteConfiguration' },
      'known: type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    ],
    [
      'a type that is no resource',
      { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      '/@type: ',
      'is no type of resource',
    ],
    ['no name', clusterNamed(''), '/name: ', 'is missing or empty'],
    ['a name that is a number', clusterNamed('a', { name: 5 }), '/name: 5 is not a text'],
    ['a name that is too long', clusterNamed('x'.repeat(1025)), '/name', '1024'],
    ['an unknown field', clusterNamed('a', { lb_polic: 1 }), '/lb_polic: is not a field of', 'lb_policy'],
    ['a wrong enum', clusterNamed('a', { lb_policy: 'FOO' }), '/lb_policy: "FOO" is not one of ROUND_ROBIN'],
    ['an enum number that is none', clusterNamed('a', { lb_policy: 99 }), '/lb_policy: 99 is not one of'],
    [
      'a wrong duration',
      clusterNamed('a', { connectTimeout: '5' }),
      '/connectTimeout: "5" is not a duration',
    ],
    ['a duration out of range', clusterNamed('a', { connect_timeout: '0s' }), '/connect_timeout', 'above 0s'],
    ['two of one', clusterNamed('a', { type: 'EDS', cluster_type: { name: 'x' } }), 'type and cluster_type'],
    [
      'a field in both spellings',
      clusterNamed('a', { connect_timeout: '1s', connectTimeout: '1s' }),
      'both connect_timeout and connectTimeout',
    ],
    [
      'an unknown field deep inside',
      listenerWith({ rout_config: {} }),
      `${CONFIG}/rout_config: is not a field of`,
      'route_config',
    ],
    ['a missing field deep inside', listenerWith({ stat_prefix: '' }), `${CONFIG}/stat_prefix: `, 'missing'],
    [
      'a missing message',
      listenerWith({ rds: { route_config_name: 'r' } }),
      `${CONFIG}/rds/config_source: is missing`,
    ],
    ['a oneof without a choice', listenerWith({ rds: null }), CONFIG, 'lacks route_specifier'],
    [
      'an unknown extension',
      listenerWith({ http_filters: [{ name: 'x', typed_config: { '@type': 'a/b.Luau' } }] }),
      `${CONFIG}/http_filters/0/typed_config/@type: "a/b.Luau" is a type that is not known`,
    ],
    [
      'a wrong value in an extension',
      listenerWith({
        http_filters: [
          {
            name: 'x',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
              dynamic_stats: 'yes',
            },
          },
        ],
      }),
      `${CONFIG}/http_filters/0/typed_config/dynamic_stats: "yes" is not true or false`,
    ],
    [
      'a key that poisons',
      JSON.parse('{"@type":"x","__proto__":{}}'),
      '/__proto__: is a key that is refused',
    ],
    ['too deep', clusterNamed('a', { metadata: { x: nested(101) } }), 'is nested deeper than 100'],
    ['too many values', clusterNamed('a', { x: Array(100_001).fill(0) }), '100000 values'],
    [
      'a port out of range',
      clusterNamed('a', {
        load_assignment: {
          cluster_name: 'a',
          endpoints: [
            {
              lb_endpoints: [
                { endpoint: { address: { socket_address: { address: 'x', port_value: 65_536 } } } },
              ],
            },
          ],
        },
      }),
      '/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value: 65536 is above 65535',
    ],
  ]
  for (const [what, document, ...parts] of wrong) {
    test(what, () => refusedDocument(document, ...parts))
  }

  test('a resource of 5 MiB', () => {
    const large = clusterNamed('a', { alt_stat_name: 'x'.repeat(5 * 1024 * 1024) })
    refused(() => admission.json(large, 'f.yaml'), 'ROLLCALL_BODY_TOO_LARGE', 'f.yaml: ', '1048576')
  })

  test('a secret that is wrong is not repeated', () => {
    const document = secretNamed('s')
    document.tls_certificate = { private_key: 'PRIVATE' }
    assert.throws(
      () => admission.json(document, 'f.yaml'),
      (error: Error & { value?: unknown }) =>
        error.message.includes('/tls_certificate/private_key') &&
        !error.message.includes('PRIVATE') &&
        error.value === undefined,
    )
  })
})

test('both spellings and any order of fields have one version, and other content another (X-20)', () => {
  const version = (document: unknown) => admission.json(document, '').resource.version
  const filters = { b: { z: 1, a: 2 }, a: {} }
  const one = clusterNamed('a', { connect_timeout: '5s', metadata: { filter_metadata: filters } })
  const other = {
    metadata: { filterMetadata: { a: {}, b: { a: 2, z: 1 } } },
    connectTimeout: '5s',
    ...clusterNamed('a'),
  }
  assert.equal(version(one), version(other))
  assert.notEqual(version(one), version(clusterNamed('a', { connect_timeout: '6s' })))
})

test('a Resource around it is taken, with the name of the one in it', () => {
  const wrapper = { '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource' }
  const { name, kind } = admission.json({ ...wrapper, resource: clusterNamed('a') }, '')
  assert.deepEqual([name, kind], ['a', kindNamed('clusters')])
  refusedDocument({ ...wrapper, name: 'b', resource: clusterNamed('a') }, '/name: "b" is not the name')
  refusedDocument({ ...wrapper, resource: clusterNamed('a', { x: 1 }) }, '/resource/x: is not a field')
  const host = { '@type': 'type.googleapis.com/envoy.config.route.v3.VirtualHost', name: 'h', domains: ['*'] }
  assert.equal(admission.json({ ...wrapper, name: 'routes/h', resource: host }, '').name, 'routes/h')
})

test('what a resource refers to is known by path; what is asked of others is not ours', () => {
  const references = (document: unknown) =>
    admission.json(document, '').references.map(({ type, name, path }) => [type.discoveryService, name, path])
  const [service] = references(listenerWith({}))
  assert.deepEqual(service, [
    'envoy.service.route.v3.RouteDiscoveryService',
    'routes',
    `${CONFIG}/rds/route_config_name`,
  ])
  const elsewhere = { path_config_source: { path: '/etc/routes.yaml' } }
  assert.deepEqual(
    references(listenerWith({ rds: { route_config_name: 'r', config_source: elsewhere } })),
    [],
  )
  const byName = (name: string) => ({
    api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: name } }] },
  })
  const rds = (name: string) => ({ rds: { route_config_name: 'r', config_source: byName(name) } })
  assert.equal(references(listenerWith(rds('xds_cluster'))).length, 1)
  assert.equal(references(listenerWith(rds('another'))).length, 0)
  const routes = routesTo('r', 'a')
  assert.deepEqual(references(routes)[0]?.slice(1), ['a', '/virtual_hosts/0/routes/0/route/cluster'])
  assert.deepEqual(references(routesTo('r', 'xds_cluster')), [])
})

test('secrets are found wherever the API marks them, hidden, and refused where they may not be', () => {
  const { resource, secrets } = admission.json(secretNamed('s'), '')
  assert.deepEqual(secrets, ['/tls_certificate/private_key/inline_string'])
  const text = JSON.stringify(redacted(documentOf(resource), secrets))
  assert.ok(text.includes('[redacted]') && text.includes('chain') && !text.includes('PRIVATE'), text)
  const strict = new Admission({ secretsAllowed: false })
  refused(
    () => strict.json(secretNamed('s'), 'f.yaml'),
    'ROLLCALL_SECRET_REFUSED',
    'private_key/inline_string',
  )
  const byFile = { ...secretNamed('s'), tls_certificate: { private_key: { filename: '/etc/key.pem' } } }
  assert.deepEqual(strict.json(byFile, '').secrets, [])
})

test('the samples of envoy/resources are admitted, and refer to each other', () => {
  const folder = join(import.meta.dirname, '..', '..', '..', 'envoy', 'resources')
  const admitted = readdirSync(folder)
    .sort()
    .flatMap(file => resourcesIn(readFileSync(join(folder, file), 'utf8'), file, admission))
  assert.deepEqual(
    admitted.map(({ kind, name, references }) => [kind.plural, name, references.map(each => each.name)]),
    [
      ['clusters', 'example_cluster', []],
      ['listeners', 'listener_0', ['local_route']],
      ['routes', 'local_route', ['example_cluster']],
      ['runtime', 'runtime-0', []],
    ],
  )
})

const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
const duration = fc.integer({ min: 1, max: 100_000 }).map(seconds => `${seconds}s`)
const cluster = fc
  .record(
    {
      connect_timeout: duration,
      lb_policy: fc.constantFrom('ROUND_ROBIN', 'LEAST_REQUEST', 'RING_HASH', 'MAGLEV'),
      per_connection_buffer_limit_bytes: fc.nat(),
      metadata: fc.record({
        filter_metadata: fc.dictionary(
          text,
          fc.record({ a: fc.double({ noNaN: true, noDefaultInfinity: true }), b: text }),
        ),
      }),
      ignore_health_on_host_removal: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .chain(fields => text.map(name => clusterNamed(name, fields as Record<string, JsonValue>)))
const route = fc
  .tuple(text, text, fc.option(duration, { nil: undefined }))
  .map(([name, target, timeout]): JsonValue => {
    const action = { cluster: target, ...(timeout !== undefined && { timeout }) }
    const hosts = [{ name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, route: action }] }]
    return { ...routesTo(name, target), virtual_hosts: hosts }
  })
const runtime = fc.tuple(text, fc.dictionary(text, fc.jsonValue({ maxDepth: 3 }))).map(
  ([name, layer]): JsonValue => ({
    '@type': 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
    name,
    layer: layer as JsonValue,
  }),
)

test('property: JSON to bytes to JSON to bytes is the same', () => {
  fc.assert(
    fc.property(fc.oneof(cluster, route, runtime), document => {
      fc.pre(!JSON.stringify(document).includes('"__proto__"'))
      const first = admission.json(document, '')
      const shown = documentOf(first.resource)
      const second = admission.json(shown, '')
      assert.equal(second.resource.version, first.resource.version)
      assert.deepEqual(documentOf(second.resource), shown)
      const any = admission.any(first.kind.type.typeUrl, valueIn(first.resource.any), '')
      assert.equal(any.resource.version, first.resource.version)
    }),
    { numRuns: 300 },
  )
})

/** Of the encoded Any: what comes behind the type URL. */
function valueIn(any: Buffer): Buffer {
  let at = 2 + (any[1] ?? 0)
  if (at === any.length) return Buffer.alloc(0)
  at += 1
  while ((any[at] ?? 0) > 127) at += 1
  return any.subarray(at + 1)
}

describe('a time to live', () => {
  const wrapper = (resource: object, ttl: unknown) => ({
    '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource',
    resource,
    ttl,
  })
  const runtime = {
    '@type': 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
    name: 'layer',
    layer: {},
  }

  test('is admitted from 1 s to 1 h, and counts in the version', () => {
    const ttls = ['1s', '1.5s', '2.000000001s', '3600s'].map(
      ttl => admission.json(wrapper(runtime, ttl), 'f.yaml').resource,
    )
    assert.deepEqual(
      ttls.map(({ ttlMs }) => ttlMs),
      [1000, 1500, 2000, 3_600_000],
    )
    const none = admission.json(runtime, 'f.yaml').resource
    const versions = [...ttls, none].map(({ version }) => version)
    assert.equal(new Set(versions).size, 5)
    const [again] = [admission.json(wrapper(runtime, '1s'), 'g.yaml').resource]
    assert.equal(again?.version, versions[0])
    assert.equal(admission.json(wrapper(runtime, null), 'f.yaml').resource.version, none.version)
  })

  test('is refused where it is none, out of range, or of what clients keep', () => {
    for (const ttl of ['0.999s', '3600.000000001s', '0s', '999999999999s']) {
      refusedDocument(wrapper(runtime, ttl), `/ttl: "${ttl}" is not in the range of 1s to 3600s`)
    }
    for (const ttl of ['2', '-2s', '2m', '1e3s', '٢s', '', ' 2s', 2, true, {}, ['2s']]) {
      refusedDocument(wrapper(runtime, ttl), '/ttl: ', 'is not a duration such as 1.5s')
    }
    const endpoints = {
      '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
      cluster_name: 'a',
    }
    const host = {
      '@type': 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
      name: 'a',
      domains: ['a'],
    }
    refusedDocument(wrapper(endpoints, '2s'), '/ttl: is not taken for endpoints')
    refusedDocument(wrapper(host, '2s'), '/ttl: is not taken for virtual-hosts')
    refusedDocument(
      { ...wrapper(runtime, '2s'), cache_control: {} },
      '/cache_control: ',
      'name, resource, ttl',
    )
  })
})
