import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { replaceHosts } from '../../../eds-server/src/registry/hosts.ts'
import { hostPort } from '../../../eds-server/src/registry/instance.ts'
import { within } from '../../../scripts/processes/until.ts'
import { record } from '../../world/records.ts'
import { type DiscoveryApi, startDiscovery } from '../http/discovery.ts'

const V3 = '/v3/discovery:endpoints'
const V2 = '/v2/discovery:endpoints'
const TYPE = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'
const NODE = { id: 'envoy-1', cluster: 'front' }

function poll(api: DiscoveryApi, body: object, expectedMs?: number, path = V3) {
  const headers = expectedMs === undefined ? {} : { 'x-envoy-expected-rq-timeout-ms': String(expectedMs) }
  return api.call('POST', path, { body, headers })
}

function golden(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), 'utf8'))
}

/** What the golden files hold: one of everything that an endpoint can say. */
function registerGolden({ registry }: DiscoveryApi): void {
  const locality = { region: 'eu', zone: 'eu-1', subZone: '' }
  const first = { address: '10.0.0.7', port: 8081, weight: 50, locality, canary: false }
  registry.register(
    record({ ...first, instanceId: 'i-1', metadata: { revision: 'abc', colour: 'red' } }),
    undefined,
  )
  registry.register(
    record({ instanceId: 'i-2', address: '10.0.0.8', port: 8081, status: 'degraded' }),
    undefined,
  )
}

for (const [name, path] of [
  ['v3-endpoints', V3],
  ['v2-endpoints', V2],
] as const) {
  test(`${name} is the golden file, in either spelling of the request`, async () => {
    await using api = await startDiscovery()
    registerGolden(api)
    for (const body of [
      { resource_names: ['myservice'] },
      { resourceNames: ['myservice'], versionInfo: 'x' },
    ]) {
      const answer = await poll(api, body, undefined, path)
      assert.equal(answer.status, 200)
      assert.match(answer.body.version_info, /^[\w-]{16}$/)
      const { version_info: _, ...rest } = answer.body
      assert.deepEqual(rest, golden(name))
      const current = await poll(
        api,
        { ...body, versionInfo: undefined, version_info: answer.body.version_info },
        undefined,
        path,
      )
      assert.deepEqual([current.status, current.body], [304, ''])
    }
  })
}

test('v1-registration is the golden file', async () => {
  await using api = await startDiscovery()
  registerGolden(api)
  const { body } = await api.call('GET', '/v1/registration/myservice')
  for (const host of body.hosts) host.last_check_in = 'now'
  assert.deepEqual(body, golden('v1-registration'))
})

test('a version is that of exactly the names asked for, whatever their order, and that of every server', async () => {
  await using api = await startDiscovery()
  await using other = await startDiscovery()
  for (const { registry } of [api, other]) {
    for (const service of ['a', 'b']) registry.register(record({ service }), undefined)
  }
  const versionOf = async (each: DiscoveryApi, names: string[]): Promise<string> =>
    (await poll(each, { resource_names: names })).body.version_info
  const both = await versionOf(api, ['a', 'b'])
  assert.equal(await versionOf(api, ['b', 'a', 'b']), both)
  assert.equal(await versionOf(other, ['a', 'b']), both)
  const a = await versionOf(api, ['a'])
  assert.notEqual(a, both)
  api.registry.register(record({ service: 'b', instanceId: 'two', port: 8082 }), undefined)
  assert.equal(await versionOf(api, ['a']), a)
  assert.notEqual(await versionOf(api, ['a', 'b']), both)
})

test('a poll by who has the present version is held until it changes', async () => {
  await using api = await startDiscovery()
  api.registry.register(record(), undefined)
  const ask = { node: NODE, resource_names: ['myservice'] }
  const { version_info: version } = (await poll(api, ask, 60_000)).body
  const held = poll(api, { ...ask, version_info: version }, 60_000)
  assert.equal(await Promise.race([held, delay(300, 'held')]), 'held')
  api.registry.register(record({ instanceId: 'two', port: 8082 }), undefined)
  const { status, body } = await within(5000, 'the answer at once', held)
  assert.deepEqual([status, body.resources[0].endpoints[0].lb_endpoints.length], [200, 2])
})

test('it is answered 304 within the time that the client waits, at once when the server stops', async () => {
  await using api = await startDiscovery()
  const ask = { node: NODE, resource_names: ['myservice'] }
  const { version_info } = (await poll(api, ask)).body
  const startedAt = performance.now()
  const late = await poll(api, { ...ask, version_info }, 1000)
  const tookMs = performance.now() - startedAt
  assert.equal(late.status, 304)
  assert.ok(tookMs > 700 && tookMs < 1000, `${tookMs} ms`)
  for (const body of [
    { ...ask, version_info },
    { resource_names: ['myservice'], version_info },
  ]) {
    // Who does not say how long it waits, or who it is, does not wait at all.
    assert.equal((await poll(api, body, 'node' in body ? undefined : 60_000)).status, 304)
  }
  const held = poll(api, { ...ask, version_info }, 60_000)
  await delay(100)
  await api.app.close()
  assert.equal((await held).status, 304)
})

test('a poll that shows the last version is its ACK, and those who know are told of', async () => {
  await using api = await startDiscovery()
  api.registry.register(record(), undefined)
  const ask = { node: NODE, resource_names: ['myservice'] }
  const { version_info } = (await poll(api, ask)).body
  const acked = () => api.cache.acked('myservice', { timeoutMs: 0 })
  const pending = [{ node: 'envoy-1', cluster: 'front', state: 'STALE' }]
  assert.deepEqual(await acked(), { subscribers: 1, acked: 0, pending })
  await poll(api, { ...ask, version_info })
  assert.deepEqual(await acked(), { subscribers: 1, acked: 1, pending: [] })
  const [node] = (await api.call('GET', '/v1/nodes')).body.nodes
  assert.deepEqual([node.node, node.cluster, node.types[0].protocol], ['envoy-1', 'front', 'rest'])
  assert.deepEqual([node.types[0].state, node.types[0].version], ['SYNCED', version_info])
})

test('who goes on asking with an older version is shown as refusing, until it takes one', async () => {
  await using api = await startDiscovery()
  api.registry.register(record(), undefined)
  const ask = { node: NODE, resource_names: ['myservice'] }
  const { version_info: first } = (await poll(api, ask)).body
  await poll(api, { ...ask, version_info: first })
  api.registry.register(record({ instanceId: 'two', port: 8082 }), undefined)
  const typeNow = async () => (await api.call('GET', '/v1/nodes')).body.nodes[0].types[0]
  const { version_info: second } = (await poll(api, { ...ask, version_info: first })).body
  assert.equal((await poll(api, { ...ask, version_info: first })).body.version_info, second)
  assert.equal((await typeNow()).nack, undefined)
  await poll(api, { ...ask, version_info: first })
  const { state, nack, version } = await typeNow()
  assert.deepEqual([state, version, nack.version], ['NACKED', first, second])
  assert.match(nack.message, /suspected/)
  assert.equal((await poll(api, { ...ask, version_info: second })).status, 304)
  assert.deepEqual([(await typeNow()).state, (await typeNow()).nack], ['SYNCED', undefined])
})

test('"I do not know" is never "there is none": a version of another time is answered 503 (X-40)', async () => {
  await using api = await startDiscovery()
  const stranger = await poll(api, {
    node: NODE,
    resource_names: ['myservice'],
    version_info: 'of-yesterday',
  })
  assert.deepEqual(
    [stranger.status, stranger.body.code, stranger.body.value],
    [503, 'ROLLCALL_NOT_READY', 'myservice'],
  )
  assert.equal(stranger.headers.get('retry-after'), '1')
  // Who has nothing is told so, and goes on.
  const fresh = await poll(api, { node: NODE, resource_names: ['myservice'] })
  assert.deepEqual([fresh.status, fresh.body.resources[0].endpoints], [200, undefined])
  // Emptied on purpose is known.
  replaceHosts(api.registry, 'myservice', [])
  const emptied = await poll(api, {
    node: { id: 'other' },
    resource_names: ['myservice'],
    version_info: 'of-yesterday',
  })
  assert.deepEqual([emptied.status, emptied.body.resources[0].endpoints], [200, undefined])
})

test('while the server is not ready every poll is answered 503', async () => {
  await using api = await startDiscovery({
    readiness: () => ({ ready: false, reason: 'stored registrations are loaded' }),
  })
  const { status, body } = await poll(api, { resource_names: ['myservice'] })
  assert.deepEqual([status, body.detail], [503, 'stored registrations are loaded'])
})

test('a first request of 77 KB under the name of a cluster is taken; one of 2 MiB is not', async () => {
  await using api = await startDiscovery()
  const extensions = Array.from({ length: 516 }, (_, index) => ({
    name: `extension-${index}`,
    x: 'y'.repeat(100),
  }))
  const body = {
    node: { ...NODE, extensions, user_agent_name: 'envoy' },
    resource_names: ['myservice'],
    new_field: {},
  }
  assert.ok(JSON.stringify(body).length > 65_536)
  const answer = await api.call('POST', V3, { body, headers: { host: 'eds_cluster' } })
  assert.equal(answer.status, 200)
  const large = await api.call('POST', V3, { body: { ...body, x: 'x'.repeat(2 * 1024 * 1024) } })
  assert.deepEqual([large.status, large.body.code], [413, 'ROLLCALL_BODY_TOO_LARGE'])
})

test('wrong requests are refused by field', async () => {
  await using api = await startDiscovery()
  const good = { resource_names: ['myservice'] }
  const wrong: [unknown, string][] = [
    [[], 'body'],
    ['x', 'body'],
    [{}, 'resource_names'],
    [{ resource_names: 'myservice' }, 'resource_names'],
    [{ resource_names: [7] }, 'resource_names[0]'],
    [{ resource_names: ['x'.repeat(1025)] }, 'resource_names[0]'],
    [{ resource_names: Array.from({ length: 10_001 }, (_, index) => `${index}`) }, 'resource_names'],
    [{ ...good, resourceNames: [] }, 'resource_names'],
    [{ ...good, version_info: 7 }, 'version_info'],
    [{ ...good, node: [] }, 'node'],
    [{ ...good, node: { id: 7 } }, 'node.id'],
    [{ ...good, type_url: 'type.googleapis.com/envoy.api.v2.ClusterLoadAssignment' }, 'type_url'],
    [{ ...good, type_url: 'x' }, 'type_url'],
    [{ ...good, error_detail: 'x' }, 'error_detail'],
  ]
  for (const [body, field] of wrong) {
    const answer = await api.call('POST', V3, { body })
    assert.deepEqual([answer.status, answer.body.field], [400, field], JSON.stringify(body).slice(0, 100))
  }
  assert.equal((await poll(api, { ...good, type_url: TYPE, node: null, version_info: null })).status, 200)
  for (const path of [
    '/v3/discovery:nope',
    '/v3/discovery:clusters',
    '/v4/discovery:endpoints',
    '/v3/discovery',
  ]) {
    const { status, body } = await api.call('POST', path, { body: good })
    assert.deepEqual([status, body.code], [404, 'ROLLCALL_ROUTE_UNKNOWN'], path)
  }
  assert.equal((await api.call('GET', V3)).status, 405)
  assert.equal((await api.call('POST', V3)).status, 400)
  const hostile = ['__proto__', 'a/b', 'xdstp://x/y', 'constructor']
  const { body } = await poll(api, { resource_names: hostile })
  assert.deepEqual(
    body.resources.map((each: { cluster_name: string }) => each.cluster_name),
    [...hostile].sort(),
  )
})

test('what each API registers is in the answer of every generation', async () => {
  await using api = await startDiscovery()
  await api.call('PUT', '/v1/services/myservice/instances/sdk', { body: { port: 8081 } })
  await api.call('GET', '/edsservice/register?endpoint=127.0.0.1:8082')
  const hosts = (await api.call('GET', '/edsservice/myservice')).body.hosts
  await api.call('PUT', '/edsservice/myservice', {
    body: { hosts: [...hosts, { ip_address: '127.0.0.1', port: 8083 }] },
  })
  await api.call('POST', '/v1/registration/myservice', { body: { ip: '127.0.0.1', port: 8084, tags: {} } })
  const expected = [8081, 8082, 8083, 8084].map(port => hostPort({ address: '127.0.0.1', port }))
  const v1 = (await api.call('GET', '/v1/registration/myservice')).body.hosts
  const crud = (await api.call('GET', '/edsservice/myservice')).body.hosts
  for (const list of [v1, crud]) {
    assert.deepEqual(
      list.map((each: { ip_address: string; port: number }) => `${each.ip_address}:${each.port}`),
      expected,
    )
  }
  for (const path of [V3, V2]) {
    const [resource] = (await poll(api, { resource_names: ['myservice'] }, undefined, path)).body.resources
    const endpoints = resource.endpoints[0].lb_endpoints.map(
      (each: { endpoint: { address: { socket_address: { address: string; port_value: number } } } }) => {
        const { address, port_value } = each.endpoint.address.socket_address
        return `${address}:${port_value}`
      },
    )
    assert.deepEqual(endpoints, expected)
  }
})
