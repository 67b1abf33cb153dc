import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { clusterOf, SUCCESS_RATE } from '../../../eds-server/src/policy/cluster-template.ts'
import { type Document, merged, type Policy, ruleFor } from '../../../eds-server/src/policy/policy.ts'
import { PolicyDocuments } from '../../../eds-server/src/policy/policy-documents.ts'
import { routesOf } from '../../../eds-server/src/policy/route-template.ts'
import { ROOT } from '../../../scripts/processes/programs.ts'

const FRONT = { name: 'front', port: 10000 }

interface RouteConfiguration {
  virtual_hosts: { domains: string[]; routes: { match: object; route: { cluster: string } }[] }[]
}

function routes(policy: Policy, services: string[], listener = FRONT): RouteConfiguration {
  return routesOf(policy, listener, services) as unknown as RouteConfiguration
}

describe('the cluster of a service', () => {
  test('has the settings of the shipped bootstraps', () => {
    const file = parse(readFileSync(join(ROOT, 'envoy/ads-grpc.yaml'), 'utf8'))
    const shipped = file.static_resources.clusters[0]
    const { '@type': type, ...cluster } = clusterOf('myservice', { match: '*' })
    assert.equal(type, 'type.googleapis.com/envoy.config.cluster.v3.Cluster')
    const outlier_detection = { ...shipped.outlier_detection, ...SUCCESS_RATE }
    assert.deepEqual(cluster, { ...shipped, name: 'myservice', outlier_detection })
  })

  test('takes what the rule says over what it would be', () => {
    const cluster = clusterOf('s', {
      match: 's',
      cluster: {
        connect_timeout: '1s',
        outlier_detection: null,
        common_lb_config: { update_merge_window: '2s' },
      },
    })
    assert.equal(cluster.connect_timeout, '1s')
    assert.equal('outlier_detection' in cluster, false)
    const common = { healthy_panic_threshold: { value: 50 }, update_merge_window: '2s' }
    assert.deepEqual(cluster.common_lb_config, common)
    assert.equal(cluster.ignore_health_on_host_removal, true)
  })

  test('checks health by path, by gRPC or not at all', () => {
    const checks = (health_check: false | string): unknown =>
      (clusterOf('s', { match: 's', health_check }).health_checks as object[] | undefined)?.[0]
    assert.equal(checks(false), undefined)
    assert.deepEqual((checks('/up') as { http_health_check: object }).http_health_check, { path: '/up' })
    assert.deepEqual((checks('grpc') as { grpc_health_check: object }).grpc_health_check, {})
    assert.ok(clusterOf('s', { match: 's', health_check: 'grpc' }).typed_extension_protocol_options)
  })
})

describe('the rule that counts for a service', () => {
  test('is the first that matches', () => {
    const policy: Policy = { services: [{ match: 'shop-*' }, { match: '*-internal' }, { match: 'a*b*c' }] }
    assert.equal(ruleFor(policy, 'shop-internal')?.match, 'shop-*')
    assert.equal(ruleFor(policy, 'x-internal')?.match, '*-internal')
    assert.equal(ruleFor(policy, 'a1b2c')?.match, 'a*b*c')
    assert.equal(ruleFor(policy, 'acb'), undefined)
  })

  test('says the same as the pattern read as a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 8 })
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(pattern, text, (match, service) => {
        const expected = new RegExp(`^${match.replaceAll('*', '.*')}$`).test(service)
        assert.equal(ruleFor({ services: [{ match }] }, service) !== undefined, expected)
      }),
    )
  })
})

describe('the routes of a listener', () => {
  test('are by host, the longest prefix first, and do not depend on the order of services', () => {
    const policy: Policy = {
      services: [
        { match: 'api', routes: [{ hosts: ['api.example'] }] },
        { match: 'root', routes: [{ prefix: '/' }] },
        { match: '*' },
      ],
    }
    const made = routes(policy, ['a', 'root', 'longer', 'api'])
    const shape = made.virtual_hosts.map(({ domains, routes: each }) => [
      domains,
      each.map(({ match, route }) => [match, route.cluster]),
    ])
    assert.deepEqual(shape, [
      [
        ['*'],
        [
          [{ path_separated_prefix: '/longer' }, 'longer'],
          [{ path_separated_prefix: '/a' }, 'a'],
          [{ prefix: '/' }, 'root'],
        ],
      ],
      [['api.example'], [[{ prefix: '/' }, 'api']]],
    ])
    assert.deepEqual(routes(policy, ['api', 'longer', 'root', 'a']), made)
  })

  test('are only those that name the listener', () => {
    const policy: Policy = { services: [{ match: '*', routes: [{ listeners: ['other'] }] }] }
    assert.deepEqual(routes(policy, ['a']).virtual_hosts, [])
    assert.equal(routes(policy, ['a'], { name: 'other', port: 1 }).virtual_hosts.length, 1)
  })
})

describe('the documents of a policy', () => {
  const names = (documents: readonly Document[]): unknown[] => documents.map(({ json }) => json.name)

  test('are a cluster and the two resources of a gRPC target for each service, and the listeners with their routes', () => {
    const documents = new PolicyDocuments({ listeners: [FRONT], services: [{ match: '*' }] })
    assert.deepEqual(names(documents.of(new Set(['a']))), ['a', 'a', 'xds:///a', 'front', 'front'])
    assert.deepEqual(names(documents.of(new Set())), ['front', 'front'])
  })

  test('of one service are made once', () => {
    const documents = new PolicyDocuments({ services: [{ match: '*' }] })
    const [first] = documents.of(new Set(['a']))
    assert.equal(documents.of(new Set(['a', 'b']))[0], first)
  })

  test('are none for a service that no rule matches, or whose rule says so', () => {
    const documents = new PolicyDocuments({ services: [{ match: 'a', cluster: false }] })
    assert.deepEqual(documents.of(new Set(['a', 'b'])), [])
  })

  test('belong to the group of their listener', () => {
    const documents = new PolicyDocuments({
      listeners: [{ ...FRONT, group: 'edge' }],
      services: [{ match: '*' }],
    })
    assert.deepEqual(
      documents.of(new Set()).map(({ group }) => group),
      ['edge', 'edge'],
    )
  })
})

test('null removes a field, maps are merged, lists replace', () => {
  const result = merged(
    { a: { b: 1, c: 2 }, d: [1], e: 1 },
    { a: { b: null, x: { y: 1 } }, d: [2], e: { f: 1 } },
  )
  assert.deepEqual(result, { a: { c: 2, x: { y: 1 } }, d: [2], e: { f: 1 } })
})
