import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OTHER_SECRET, SECRET } from '../../world/records.ts'
import { type Api, startApi } from './api.ts'

const PATH = '/v1/services/myservice/instances/one'

function state(api: Api): string {
  const services = Array.from(api.registry.services(), name => [name, api.registry.instances(name)])
  return JSON.stringify(services)
}

test('a registration answers the whole instance with its lease', async () => {
  await using api = await startApi()
  const full = {
    address: '10.0.0.1',
    port: 8081,
    status: 'starting',
    weight: 7,
    locality: { region: 'eu', zone: 'eu-1a', subZone: 'r1' },
    priority: 2,
    canary: true,
    metadata: { version: '1.4.0', load: 0.5, beta: true },
    ttlMs: 9_000,
  }
  const { status, body } = await api.call('PUT', '/v1/services/MyService/instances/one', { body: full })
  assert.equal(status, 201)
  const { incarnation, leaseSecret, registeredAt, ...said } = body
  const { ttlMs, ...rest } = full
  assert.deepEqual(said, {
    service: 'myservice',
    instanceId: 'one',
    ...rest,
    lapsed: false,
    stalled: false,
    lease: { ttlMs, heartbeatIntervalMs: 3_000 },
  })
  assert.ok(Number.isSafeInteger(incarnation))
  assert.match(leaseSecret, /^[A-Za-z0-9_-]{43}$/)
  assert.ok(!Number.isNaN(Date.parse(registeredAt)))
  assert.equal(api.registry.get('myservice', 'one')?.address, '10.0.0.1')
})

test('what is not said has its default, and the address is that of the caller', async () => {
  await using api = await startApi()
  const { body } = await api.call('PUT', PATH, { body: { port: 8081 } })
  assert.equal(body.address, '127.0.0.1')
  assert.deepEqual(body.locality, { region: '', zone: '', subZone: '' })
  assert.deepEqual([body.status, body.weight, body.priority, body.canary], ['healthy', 1, 0, false])
  assert.deepEqual(body.lease, { ttlMs: 15_000, heartbeatIntervalMs: 5_000 })
})

test('an IPv4-mapped address is registered as the IPv4 address that it is', async () => {
  await using api = await startApi()
  const { body } = await api.call('PUT', PATH, { body: { address: '::ffff:10.0.0.1', port: 1 } })
  assert.equal(body.address, '10.0.0.1')
})

test('with the secret of its lease the same registration is the same life (F36)', async () => {
  await using api = await startApi()
  const init = { body: { port: 8081 }, headers: { 'rollcall-lease-secret': SECRET } }
  const first = await api.call('PUT', PATH, init)
  const second = await api.call('PUT', PATH, init)
  assert.deepEqual([first.status, second.status], [201, 200])
  assert.equal(second.body.incarnation, first.body.incarnation)
  assert.equal(second.body.leaseSecret, SECRET)
})

test('a live lease keeps its id from others (F37)', async () => {
  await using api = await startApi()
  await api.call('PUT', PATH, { body: { port: 8081 }, headers: { 'rollcall-lease-secret': SECRET } })
  const before = state(api)
  for (const headers of [{ 'rollcall-lease-secret': OTHER_SECRET }, {}]) {
    const { status, body } = await api.call('PUT', PATH, { body: { port: 8082 }, headers })
    assert.equal(status, 409)
    assert.equal(body.code, 'ROLLCALL_INSTANCE_CONFLICT')
    assert.ok(!JSON.stringify(body).includes(SECRET))
  }
  assert.equal(state(api), before)
})

/** body, field, value; the value of a composite is not repeated. */
const WRONG_BODIES: [unknown, string, unknown][] = [
  [{}, 'port', undefined],
  [[], 'body', undefined],
  ['text', 'body', 'text'],
  [7, 'body', 7],
  [null, 'body', undefined],
  [{ port: 0 }, 'port', 0],
  [{ port: 65_536 }, 'port', 65_536],
  [{ port: 80.5 }, 'port', 80.5],
  [{ port: '80' }, 'port', '80'],
  [{ port: null }, 'port', null],
  [{ port: true }, 'port', true],
  [{ port: [80] }, 'port', undefined],
  [{ port: 1, address: '' }, 'address', ''],
  [{ port: 1, address: 'localhost' }, 'address', 'localhost'],
  [{ port: 1, address: '2852039166' }, 'address', '2852039166'],
  [{ port: 1, address: 7 }, 'address', 7],
  [{ port: 1, status: 'up' }, 'status', 'up'],
  [{ port: 1, status: 'HEALTHY' }, 'status', 'HEALTHY'],
  [{ port: 1, weight: 0 }, 'weight', 0],
  [{ port: 1, weight: 65_536 }, 'weight', 65_536],
  [{ port: 1, weight: '1' }, 'weight', '1'],
  [{ port: 1, locality: 'eu' }, 'locality', 'eu'],
  [{ port: 1, locality: { zone: 7 } }, 'locality.zone', 7],
  [{ port: 1, locality: { zone: 'x'.repeat(129) } }, 'locality.zone', 'x'.repeat(129)],
  [{ port: 1, locality: { region: 'é' } }, 'locality.region', 'é'],
  [{ port: 1, locality: { subZone: 'a\nb' } }, 'locality.subZone', 'a\nb'],
  [{ port: 1, locality: { rack: 'r' } }, 'locality.rack', 'r'],
  [{ port: 1, priority: -1 }, 'priority', -1],
  [{ port: 1, priority: 128 }, 'priority', 128],
  [{ port: 1, canary: 'true' }, 'canary', 'true'],
  [{ port: 1, metadata: [] }, 'metadata', undefined],
  [{ port: 1, metadata: { a: null } }, 'metadata.a', null],
  [{ port: 1, metadata: { a: { b: 1 } } }, 'metadata.a', undefined],
  [{ port: 1, metadata: { 'a b': 1 } }, 'metadata.a b', 'a b'],
  [{ port: 1, metadata: { prototype: 1 } }, 'metadata.prototype', 'prototype'],
  [{ port: 1, ttlMs: 99 }, 'ttlMs', 99],
  [{ port: 1, ttlMs: 3_600_001 }, 'ttlMs', 3_600_001],
  [{ port: 1, ttlMs: 1e300 }, 'ttlMs', 1e300],
  [{ port: 1, extra: 'x' }, 'extra', 'x'],
  [{ port: 1, leaseSecret: SECRET }, 'leaseSecret', undefined],
]

test('every wrong body is refused by field and value, and changes nothing', async () => {
  await using api = await startApi()
  for (const [wrong, field, value] of WRONG_BODIES) {
    const { status, headers, body } = await api.call('PUT', PATH, { body: wrong })
    const shown = JSON.stringify(wrong)
    assert.equal(status, 400, shown)
    assert.equal(headers.get('content-type'), 'application/problem+json; charset=utf-8')
    assert.deepEqual([body.code, body.field, body.value], ['ROLLCALL_INVALID_ARGUMENT', field, value], shown)
    assert.ok(body.detail.startsWith(`${field}: `), body.detail)
    assert.ok(!JSON.stringify(body).includes(SECRET))
  }
  assert.equal(state(api), '[]')
})

test('every refused address and port is named (F58)', async () => {
  await using api = await startApi()
  const wrong: [object, string, unknown][] = [
    [{ address: '169.254.169.254', port: 80 }, 'address', '169.254.169.254'],
    [{ address: '::ffff:169.254.169.254', port: 80 }, 'address', '::ffff:169.254.169.254'],
    [{ address: 'fd00:ec2::254', port: 80 }, 'address', 'fd00:ec2::254'],
    [{ address: '0.0.0.0', port: 80 }, 'address', '0.0.0.0'],
    [{ address: '224.0.0.1', port: 80 }, 'address', '224.0.0.1'],
    [{ address: '8.8.8.8', port: 80 }, 'address', '8.8.8.8'],
    [{ port: 9901 }, 'port', 9901],
    [{ port: api.port }, 'port', api.port],
  ]
  for (const [body, field, value] of wrong) {
    const answer = await api.call('PUT', PATH, { body })
    assert.equal(answer.status, 400)
    assert.deepEqual(
      [answer.body.code, answer.body.field, answer.body.value],
      ['ROLLCALL_ADDRESS_REFUSED', field, value],
    )
  }
  assert.equal(state(api), '[]')
})

test('a registry that serves other machines refuses loopback, the default address of a local caller too', async () => {
  await using api = await startApi({ loopbackOnly: false })
  for (const body of [{ port: 80 }, { port: 80, address: '127.0.0.1' }]) {
    const answer = await api.call('PUT', PATH, { body })
    assert.equal(answer.body.code, 'ROLLCALL_ADDRESS_REFUSED')
  }
})

test('wrong names in the path are refused by field and value (F57)', async () => {
  await using api = await startApi()
  const wrong: [string, string, string][] = [
    ['/v1/services/repo/instances/one', 'service', 'repo'],
    ['/v1/services/__proto__/instances/one', 'service', '__proto__'],
    ['/v1/services/constructor/instances/one', 'service', 'constructor'],
    ['/v1/services/%2e%2e%2f/instances/one', 'service', '../'],
    ['/v1/services/a%00/instances/one', 'service', 'a\u0000'],
    ['/v1/services/*/instances/one', 'service', '*'],
    [`/v1/services/${'x'.repeat(254)}/instances/one`, 'service', 'x'.repeat(200)],
    ['/v1/services//instances/one', 'service', ''],
    ['/v1/services/a/instances/%2f', 'instanceId', '/'],
    [`/v1/services/a/instances/${'x'.repeat(129)}`, 'instanceId', 'x'.repeat(129)],
  ]
  for (const [path, field, value] of wrong) {
    const { status, body } = await api.call('PUT', path, { body: { port: 1 } })
    assert.deepEqual([status, body.field, body.value], [400, field, value], path)
  }
  const { status, body } = await api.call('PUT', '/v1/services/%zz/instances/one', { body: { port: 1 } })
  assert.deepEqual([status, body.code, body.field], [400, 'ROLLCALL_INVALID_ARGUMENT', 'url'])
  assert.equal(state(api), '[]')
})

test('a malformed secret of the caller is refused and not repeated', async () => {
  await using api = await startApi()
  for (const secret of ['short-secret', 'x'.repeat(129), `${SECRET}=`]) {
    const { status, body } = await api.call('PUT', PATH, {
      body: { port: 1 },
      headers: { 'rollcall-lease-secret': secret },
    })
    assert.deepEqual([status, body.field], [400, 'rollcall-lease-secret'])
    assert.ok(!JSON.stringify(body).includes(secret))
  }
  assert.equal(state(api), '[]')
})

test('a query is refused, not ignored', async () => {
  await using api = await startApi()
  const { status, body } = await api.call('PUT', `${PATH}?ttl=5s`, { body: { port: 1 } })
  assert.deepEqual([status, body.field, body.value], [400, 'ttl', '5s'])
})

async function registered(api: Api): Promise<Record<string, string>> {
  const { body } = await api.call('PUT', PATH, { body: { port: 8081, metadata: { a: 1 } } })
  return { 'rollcall-lease-secret': body.leaseSecret, 'rollcall-incarnation': String(body.incarnation) }
}

test('a change alters what it names and leaves the rest', async () => {
  await using api = await startApi()
  const headers = await registered(api)
  const { status, body } = await api.call('PATCH', PATH, { headers, body: { weight: 9 } })
  assert.deepEqual([status, body.weight, body.metadata, body.port], [200, 9, { a: 1 }, 8081])
  assert.ok(!('leaseSecret' in body))
  const second = await api.call('PATCH', PATH, { headers, body: { status: 'degraded', metadata: { b: 2 } } })
  assert.deepEqual([second.body.weight, second.body.status, second.body.metadata], [9, 'degraded', { b: 2 }])
})

test('a change without the right lease headers changes nothing (F59)', async () => {
  await using api = await startApi()
  const headers = await registered(api)
  const before = state(api)
  const wrong = [
    {},
    { 'rollcall-lease-secret': headers['rollcall-lease-secret'] },
    { 'rollcall-incarnation': headers['rollcall-incarnation'] },
    { ...headers, 'rollcall-lease-secret': OTHER_SECRET },
    { ...headers, 'rollcall-incarnation': 'x' },
  ] as Record<string, string>[]
  for (const each of wrong) {
    const answer = await api.call('PATCH', PATH, { headers: each, body: { weight: 9 } })
    assert.equal(answer.status, 401, JSON.stringify(each))
    assert.equal(answer.headers.get('www-authenticate'), 'Rollcall-Lease')
  }
  const older = await api.call('PATCH', PATH, {
    headers: { ...headers, 'rollcall-incarnation': '1' },
    body: { weight: 9 },
  })
  assert.deepEqual([older.status, older.body.code], [410, 'ROLLCALL_INCARNATION_SUPERSEDED'])
  assert.equal(state(api), before)
})

test('an instance without a lease is changed without a key', async () => {
  await using api = await startApi()
  const { body } = await api.call('GET', '/edsservice/register?endpoint=10.0.0.1:80')
  const answer = await api.call('PATCH', `/v1/services/myservice/instances/${body.instanceId}`, {
    body: { weight: 3 },
  })
  assert.deepEqual([answer.status, answer.body.weight, 'lease' in answer.body], [200, 3, false])
})

test('a wrong change is refused by field and value, and changes nothing', async () => {
  await using api = await startApi()
  const headers = await registered(api)
  const before = state(api)
  const wrong: [unknown, string][] = [
    [{}, 'body'],
    [undefined, 'body'],
    [{ weight: 0 }, 'weight'],
    [{ status: 'up' }, 'status'],
    [{ metadata: { a: [] } }, 'metadata.a'],
    [{ metadata: { 'a b': 1 } }, 'metadata.a b'],
    [{ port: 9 }, 'port'],
    [{ weight: 2, address: '10.0.0.1' }, 'address'],
  ]
  for (const [body, field] of wrong) {
    const answer = await api.call('PATCH', PATH, { headers, body })
    assert.deepEqual([answer.status, answer.body.field], [400, field], JSON.stringify(body))
  }
  assert.equal(state(api), before)
})
