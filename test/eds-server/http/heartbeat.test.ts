import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { OTHER_SECRET, SECRET } from '../../world/records.ts'
import { type Api, startApi } from './api.ts'

const PATH = '/v1/services/myservice/instances/one'
const BEAT = `${PATH}/heartbeat`

interface World extends AsyncDisposable {
  readonly api: Api
  readonly clock: ManualClock
  readonly headers: Record<string, string>
  readonly incarnation: number
}

/** One instance with a lease of 10 s, in lease time that moves only when told to. */
async function world(): Promise<World> {
  const clock = new ManualClock()
  const api = await startApi({ registry: new Registry({ clock, store: memoryStore }) })
  const { body } = await api.call('PUT', PATH, {
    body: { port: 8081, ttlMs: 10_000 },
    headers: { 'rollcall-lease-secret': SECRET },
  })
  const { incarnation } = body
  return {
    api,
    clock,
    incarnation,
    headers: { 'rollcall-lease-secret': SECRET, 'rollcall-incarnation': String(incarnation) },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  }
}

test('a heartbeat renews the lease and is answered 204 without a body', async () => {
  await using w = await world()
  const { api, clock, headers } = w
  for (let beat = 0; beat < 5; beat += 1) {
    clock.advance(9_000)
    const { status, body } = await api.call('PUT', BEAT, { headers })
    assert.deepEqual([status, body], [204, ''])
  }
  assert.equal(api.registry.get('myservice', 'one')?.lapsed, false)
  clock.advance(11_000)
  assert.equal(api.registry.get('myservice', 'one')?.lapsed, true)
})

test('the service name of a heartbeat may be written as it was registered', async () => {
  await using w = await world()
  const { api, headers } = w
  const { status } = await api.call('PUT', '/v1/services/MyService/instances/one/heartbeat', { headers })
  assert.equal(status, 204)
})

test('a heartbeat takes a status along', async () => {
  await using w = await world()
  const { api, headers } = w
  assert.equal((await api.call('PUT', BEAT, { headers, body: { status: 'degraded' } })).status, 204)
  assert.equal(api.registry.get('myservice', 'one')?.status, 'degraded')
  assert.equal((await api.call('PUT', BEAT, { headers, body: {} })).status, 204)
  assert.equal(api.registry.get('myservice', 'one')?.status, 'degraded')
})

test('a client that names the type of a body that it does not send is answered', async () => {
  await using w = await world()
  const { api, headers } = w
  const { status } = await api.call('PUT', BEAT, {
    headers: { ...headers, 'content-type': 'application/json' },
  })
  assert.equal(status, 204)
})

/** Asserts that the call was refused and that the lease runs out when it would have without it. */
async function refused(
  change: Record<string, string | undefined>,
  body: unknown,
  expected: [number, string, string | undefined],
): Promise<void> {
  await using w = await world()
  const headers = Object.fromEntries(
    Object.entries({ ...w.headers, ...change }).filter(([, value]) => value !== undefined),
  ) as Record<string, string>
  w.clock.advance(9_900)
  const answer = await w.api.call('PUT', BEAT, { headers, body })
  assert.deepEqual([answer.status, answer.body.code, answer.body.field], expected)
  assert.ok(!JSON.stringify(answer.body).includes(SECRET))
  w.clock.advance(1_000)
  const after = w.api.registry.get('myservice', 'one')
  assert.deepEqual(
    [after?.lapsed, after?.status],
    [true, 'healthy'],
    'the refused heartbeat extended the lease',
  )
}

const UNAUTHORIZED = 'ROLLCALL_LEASE_SECRET_INVALID'

test('no secret: 401, nothing extended (F59)', () =>
  refused({ 'rollcall-lease-secret': undefined }, undefined, [401, UNAUTHORIZED, 'rollcall-lease-secret']))
test('a malformed secret: 401, nothing extended (F59)', () =>
  refused({ 'rollcall-lease-secret': 'x' }, undefined, [401, UNAUTHORIZED, 'rollcall-lease-secret']))
test("another's secret: 401, nothing extended (F59)", () =>
  refused({ 'rollcall-lease-secret': OTHER_SECRET }, undefined, [401, UNAUTHORIZED, 'leaseSecret']))
test('no incarnation: 401, nothing extended', () =>
  refused({ 'rollcall-incarnation': undefined }, undefined, [401, UNAUTHORIZED, 'rollcall-incarnation']))
for (const incarnation of ['', 'x', '-1', '1e3', '0x10', '1.5', '9'.repeat(16), '9'.repeat(40)]) {
  test(`incarnation ${JSON.stringify(incarnation)}: 401, nothing extended`, () =>
    refused({ 'rollcall-incarnation': incarnation }, undefined, [401, UNAUTHORIZED, 'rollcall-incarnation']))
}
test('an older incarnation: 410, nothing extended (F40)', () =>
  refused({ 'rollcall-incarnation': '1' }, undefined, [
    410,
    'ROLLCALL_INCARNATION_SUPERSEDED',
    'incarnation',
  ]))

const WRONG_BODIES: [unknown, string][] = [
  [{ status: 'up' }, 'status'],
  [{ status: null }, 'status'],
  [{ status: {} }, 'status'],
  [{ status: 'degraded', weight: 3 }, 'weight'],
  [{ state: 'healthy' }, 'state'],
  [{ stalled: 'yes' }, 'stalled'],
  [{ stalled: null }, 'stalled'],
  [{ stalled: {}, status: 'healthy' }, 'stalled'],
  [[], 'body'],
  ['healthy', 'body'],
  [null, 'body'],
  [7, 'body'],
]
for (const [body, field] of WRONG_BODIES) {
  test(`body ${JSON.stringify(body)}: 400 naming ${field}, nothing extended`, () =>
    refused({}, body, [400, 'ROLLCALL_INVALID_ARGUMENT', field]))
}

test('a heartbeat for nobody says how that came about', async () => {
  await using w = await world()
  const { api, clock, headers } = w
  const never = await api.call('PUT', '/v1/services/other/instances/one/heartbeat', {
    headers: { ...headers, 'rollcall-incarnation': '9007199254740991' },
  })
  assert.deepEqual([never.status, never.body.code], [404, 'ROLLCALL_INSTANCE_UNKNOWN'])
  await api.call('GET', '/edsservice/register?endpoint=127.0.0.1:8099')
  clock.advance(31_000)
  const expired = await api.call('PUT', BEAT, { headers })
  assert.deepEqual([expired.status, expired.body.code], [410, 'ROLLCALL_LEASE_EXPIRED'])
})

test('a heartbeat after a removal on purpose is told to stop', async () => {
  await using w = await world()
  const { api, headers } = w
  await api.call('GET', '/edsservice/deregister?endpoint=127.0.0.1:8081')
  const { status, body } = await api.call('PUT', BEAT, { headers })
  assert.deepEqual([status, body.code], [410, 'ROLLCALL_INSTANCE_DEREGISTERED'])
})

test('a batch renews what it can and names the rest', async () => {
  await using w = await world()
  const { api, clock, incarnation } = w
  const mine = { service: 'myservice', instanceId: 'one', incarnation, leaseSecret: SECRET }
  clock.advance(9_900)
  const { status, body } = await api.call('POST', '/v1/heartbeats', {
    body: {
      heartbeats: [
        { ...mine, leaseSecret: OTHER_SECRET },
        { ...mine, incarnation: 1 },
        { ...mine, service: 'repo' },
        { ...mine, instanceId: 'two', incarnation: Number.MAX_SAFE_INTEGER },
        { ...mine, status: 'unhealthy' },
      ],
    },
  })
  assert.equal(status, 200)
  assert.equal(body.renewed, 1)
  assert.deepEqual(
    body.refused.map((each: Record<string, unknown>) => [
      each.service,
      each.instanceId,
      each.status,
      each.code,
    ]),
    [
      ['myservice', 'one', 401, 'ROLLCALL_LEASE_SECRET_INVALID'],
      ['myservice', 'one', 410, 'ROLLCALL_INCARNATION_SUPERSEDED'],
      ['repo', 'one', 400, 'ROLLCALL_INVALID_ARGUMENT'],
      ['myservice', 'two', 404, 'ROLLCALL_INSTANCE_UNKNOWN'],
    ],
  )
  assert.ok(!JSON.stringify(body).includes(OTHER_SECRET))
  clock.advance(9_900)
  const after = api.registry.get('myservice', 'one')
  assert.deepEqual([after?.lapsed, after?.status], [false, 'unhealthy'])
})

test('F46: a heartbeat says "stalled", alone and in a batch, and it is shown until one does not', async () => {
  await using w = await world()
  const { api, headers, incarnation } = w
  const shown = async () => (await api.call('GET', PATH)).body.stalled
  const batch = async (stalled?: boolean) => {
    const mine = { service: 'myservice', instanceId: 'one', incarnation, leaseSecret: SECRET }
    const { body } = await api.call('POST', '/v1/heartbeats', {
      body: { heartbeats: [{ ...mine, ...(stalled !== undefined && { stalled }) }] },
    })
    assert.equal(body.renewed, 1)
  }
  assert.equal(await shown(), false)
  assert.equal((await api.call('PUT', BEAT, { headers, body: { stalled: true } })).status, 204)
  assert.equal(await shown(), true)
  const { body } = await api.call('GET', '/v1/services/myservice/instances')
  assert.deepEqual([body.instances[0].stalled, body.instances[0].status], [true, 'healthy'])
  await api.call('PUT', BEAT, { headers })
  assert.equal(await shown(), false)
  await batch(true)
  assert.equal(await shown(), true)
  await batch()
  assert.equal(await shown(), false)
})

test('a malformed batch renews nothing and names the place', async () => {
  await using w = await world()
  const { api, clock, incarnation } = w
  const mine = { service: 'myservice', instanceId: 'one', incarnation, leaseSecret: SECRET }
  const wrong: [unknown, string][] = [
    [undefined, 'body'],
    [[mine], 'body'],
    [{}, 'heartbeats'],
    [{ heartbeats: [] }, 'heartbeats'],
    [{ heartbeats: {} }, 'heartbeats'],
    [{ heartbeats: Array.from({ length: 1_001 }, () => mine) }, 'heartbeats'],
    [{ heartbeats: [mine], more: true }, 'more'],
    [{ heartbeats: [mine, 7] }, 'heartbeats[1]'],
    [{ heartbeats: [mine, { ...mine, incarnation: '1' }] }, 'heartbeats[1].incarnation'],
    [{ heartbeats: [mine, { ...mine, incarnation: 1.5 }] }, 'heartbeats[1].incarnation'],
    [{ heartbeats: [mine, { ...mine, leaseSecret: 'hunter2' }] }, 'heartbeats[1].leaseSecret'],
    [{ heartbeats: [mine, { ...mine, leaseSecret: 7 }] }, 'heartbeats[1].leaseSecret'],
    [{ heartbeats: [mine, { ...mine, service: 'a/b' }] }, 'heartbeats[1].service'],
    [{ heartbeats: [mine, { ...mine, status: 'up' }] }, 'heartbeats[1].status'],
    [{ heartbeats: [mine, { ...mine, stalled: 1 }] }, 'heartbeats[1].stalled'],
    [{ heartbeats: [mine, { ...mine, port: 1 }] }, 'heartbeats[1].port'],
    [{ heartbeats: [{ service: 'a', instanceId: 'b', incarnation }] }, 'heartbeats[0].leaseSecret'],
  ]
  clock.advance(9_900)
  for (const [body, field] of wrong) {
    const answer = await api.call('POST', '/v1/heartbeats', { body })
    assert.deepEqual([answer.status, answer.body.field], [400, field])
    assert.ok(!JSON.stringify(answer.body).includes('hunter2'))
  }
  clock.advance(1_000)
  assert.equal(api.registry.get('myservice', 'one')?.lapsed, true)
})

test('a batch of the largest size is taken', async () => {
  await using w = await world()
  const { api, incarnation } = w
  const mine = { service: 'myservice', instanceId: 'one', incarnation, leaseSecret: SECRET }
  const { body } = await api.call('POST', '/v1/heartbeats', {
    body: { heartbeats: Array.from({ length: 1_000 }, () => mine) },
  })
  assert.deepEqual(body, { renewed: 1_000, refused: [] })
})

test('heartbeats are counted by result and leave no line in the log', async () => {
  await using w = await world()
  const { api, headers } = w
  const lines = api.logged.length
  await api.call('PUT', BEAT, { headers })
  await api.call('PUT', BEAT)
  const text = await api.metrics.render()
  assert.match(text, /heartbeats_total\{result="renewed"\} 1\n/)
  assert.match(text, /heartbeats_total\{result="refused"\} 1\n/)
  assert.match(text, /problems_total\{code="ROLLCALL_LEASE_SECRET_INVALID"\} 1\n/)
  assert.equal(api.logged.length, lines)
})
