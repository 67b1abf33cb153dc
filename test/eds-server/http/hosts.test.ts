import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECRET } from '../../world/records.ts'
import { startApi } from './api.ts'

const PATH = '/edsservice/myservice'

function host(port: number, tags: object = {}): object {
  return { ip_address: '127.0.0.1', port, tags }
}

test('a service is created once, read, replaced, emptied and deleted', async () => {
  await using api = await startApi()
  const given = {
    ip_address: '127.0.0.1',
    port: 8081,
    tags: { az: 'a', canary: false, load_balancing_weight: 50 },
  }
  const absent = await api.call('GET', PATH)
  assert.deepEqual([absent.status, absent.body.code], [404, 'ROLLCALL_SERVICE_UNKNOWN'])
  assert.equal((await api.call('PUT', PATH, { body: { hosts: [given] } })).status, 404)
  assert.equal((await api.call('DELETE', PATH)).status, 404)
  assert.deepEqual([...api.registry.services()], [])

  const created = await api.call('POST', PATH, { body: { hosts: [given] } })
  assert.deepEqual([created.status, created.body], [201, { service: 'myservice', hosts: [given] }])
  const again = await api.call('POST', PATH, { body: { hosts: [host(8082)] } })
  assert.deepEqual([again.status, again.body.code], [409, 'ROLLCALL_SERVICE_EXISTS'])
  assert.deepEqual((await api.call('GET', PATH)).body.hosts, [given])

  const [instance] = api.registry.instances('myservice') ?? []
  assert.deepEqual(
    [instance?.locality.zone, instance?.canary, instance?.weight, instance?.ttlMs],
    ['a', false, 50, undefined],
  )
  const replaced = await api.call('PUT', PATH, { body: { hosts: [host(8082), host(8081)] } })
  assert.equal(replaced.status, 200)
  const ports = (api.registry.instances('myservice') ?? []).map(({ port, weight }) => [port, weight])
  assert.deepEqual(ports.sort(), [
    [8081, 1],
    [8082, 1],
  ]) // what only lists said, the next list replaces
  assert.deepEqual((await api.call('GET', '/edsservice')).body.services.length, 1)

  assert.deepEqual((await api.call('PUT', PATH, { body: { hosts: [] } })).body.hosts, [])
  assert.deepEqual((await api.call('GET', PATH)).body, { service: 'myservice', hosts: [] })
  assert.equal((await api.call('POST', PATH, { body: { hosts: [] } })).status, 409)
  assert.equal((await api.call('DELETE', PATH)).status, 204)
  assert.equal((await api.call('GET', PATH)).status, 404)
  assert.equal((await api.call('POST', PATH, { body: { hosts: [] } })).status, 201)
  assert.equal((await api.call('GET', PATH)).status, 200)
})

test('of lists that arrive together one replaces the other, never a mixture', async () => {
  await using api = await startApi()
  await api.call('POST', PATH, { body: { hosts: [] } })
  const lists = [0, 1].map(list => Array.from({ length: 50 }, (_, index) => 9000 + list * 50 + index))
  const seen = new Set<string>()
  api.registry.on(() => undefined)
  for (let round = 0; round < 20; round += 1) {
    const puts = lists.map(ports => api.call('PUT', PATH, { body: { hosts: ports.map(port => host(port)) } }))
    const looks = Array.from({ length: 4 }, () => api.call('GET', PATH))
    for (const answer of await Promise.all([...puts, ...looks])) {
      const ports = answer.body.hosts.map(({ port }: { port: number }) => port).sort()
      seen.add(JSON.stringify(ports))
    }
  }
  for (const ports of seen)
    assert.ok(['[]', ...lists.map(each => JSON.stringify(each))].includes(ports), ports)
})

test('a list names an instance with a lease: it keeps it, and what it said of itself', async () => {
  await using api = await startApi()
  const instance = '/v1/services/myservice/instances/one'
  const headers = { 'rollcall-lease-secret': SECRET }
  const { body } = await api.call('PUT', instance, {
    headers,
    body: { port: 8081, weight: 7, locality: { region: 'eu', zone: 'eu-1' }, metadata: { version: '2' } },
  })
  await api.call('PUT', PATH, { body: { hosts: [host(8081, { load_balancing_weight: 50 }), host(8082)] } })
  const now = api.registry.get('myservice', 'one')
  assert.deepEqual([now?.weight, now?.locality.zone, { ...now?.metadata }], [50, 'eu-1', { version: '2' }])
  const beat = { ...headers, 'rollcall-incarnation': String(body.incarnation) }
  assert.equal((await api.call('PUT', `${instance}/heartbeat`, { headers: beat })).status, 204)
  await api.call('PUT', PATH, { body: { hosts: [host(8082)] } })
  const over = await api.call('PUT', `${instance}/heartbeat`, { headers: beat })
  assert.deepEqual([over.status, over.body.code], [410, 'ROLLCALL_INSTANCE_DEREGISTERED'])
})

test('an instance of another address may have the name that a host would get', async () => {
  await using api = await startApi()
  await api.call('PUT', '/v1/services/myservice/instances/127.0.0.1:8082', { body: { port: 8081 } })
  const { status } = await api.call('PUT', PATH, { body: { hosts: [host(8081), host(8082)] } })
  assert.equal(status, 200)
  assert.equal(api.registry.instances('myservice')?.length, 2)
})

test('wrong lists are refused by field, and change nothing', async () => {
  await using api = await startApi()
  await api.call('POST', PATH, { body: { hosts: [host(8081)] } })
  const before = JSON.stringify(api.registry.instances('myservice'))
  const wrong: [unknown, string][] = [
    [{}, 'hosts'],
    [[], 'body'],
    [{ hosts: {} }, 'hosts'],
    [{ hosts: [host(8082)], x: 1 }, 'x'],
    [{ hosts: [{ port: 8082 }] }, 'hosts[0].ip_address'],
    [{ hosts: [{ ip_address: '127.0.0.1' }] }, 'hosts[0].port'],
    [{ hosts: [host(8082), { ip_address: 'localhost', port: 1 }] }, 'hosts[1].ip_address'],
    [{ hosts: [host(8082), { ip_address: '169.254.169.254', port: 80 }] }, 'hosts[1].ip_address'],
    [{ hosts: [{ ip_address: 7, port: 80 }] }, 'hosts[0].ip_address'],
    [{ hosts: [host(0)] }, 'hosts[0].port'],
    [{ hosts: [host(9901)] }, 'hosts[0].port'],
    [{ hosts: [host(65_536)] }, 'hosts[0].port'],
    [{ hosts: [{ ip_address: '127.0.0.1', port: '8082' }] }, 'hosts[0].port'],
    [{ hosts: [host(8082, { load_balancing_weight: 0 })] }, 'hosts[0].tags.load_balancing_weight'],
    [{ hosts: [host(8082, { load_balancing_weight: '5' })] }, 'hosts[0].tags.load_balancing_weight'],
    [{ hosts: [host(8082, { canary: 'no' })] }, 'hosts[0].tags.canary'],
    [{ hosts: [host(8082, { az: 'é' })] }, 'hosts[0].tags.az'],
    [{ hosts: [host(8082, { zone: 'x' })] }, 'hosts[0].tags.zone'],
    [{ hosts: [{ ...host(8082), weight: 1 }] }, 'hosts[0].weight'],
    [{ hosts: [host(8082), host(8082)] }, 'hosts[1]'],
  ]
  for (const [body, field] of wrong) {
    const answer = await api.call('PUT', PATH, { body })
    assert.deepEqual([answer.status, answer.body.field], [400, field], JSON.stringify(body))
    assert.match(answer.headers.get('content-type') ?? '', /problem\+json/)
  }
  const large = await api.call('PUT', PATH, {
    text: ' '.repeat(2 * 1024 * 1024),
    headers: { 'content-type': 'application/json' },
  })
  assert.deepEqual([large.status, large.body.code], [413, 'ROLLCALL_BODY_TOO_LARGE'])
  const poison = '{"hosts":[],"__proto__":{"a":1}}'
  const headers = { 'content-type': 'application/json' }
  assert.equal((await api.call('PUT', PATH, { text: poison, headers })).status, 400)
  assert.equal((await api.call('PUT', PATH, { text: '{', headers })).status, 400)
  for (const name of ['__proto__', 'constructor', 'a%2Fb', 'repo', '%20', 'a*']) {
    const answer = await api.call('POST', `/edsservice/${name}`, { body: { hosts: [] } })
    assert.deepEqual([answer.status, answer.body.field], [400, 'service'], name)
  }
  assert.equal((await api.call('POST', '/edsservice/a/b', { body: { hosts: [] } })).status, 404)
  assert.equal(JSON.stringify(api.registry.instances('myservice')), before)
  assert.deepEqual([...api.registry.services()], ['myservice'])
})
