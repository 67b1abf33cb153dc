import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import type { Delivery, DeliveryReport, DeliveryWait } from '../../../eds-server/src/http/context.ts'
import { OTHER_SECRET } from '../../world/records.ts'
import { type Api, startApi } from './api.ts'

const PATH = '/v1/services/myservice/instances/one'
const LATE: DeliveryReport = {
  subscribers: 2,
  acked: 1,
  pending: [{ node: 'n2', cluster: 'edge', state: 'STALE' }],
}

interface Asked {
  readonly what: string
  readonly service: string
  readonly instanceId?: string
  readonly wait: DeliveryWait
}

/** Answers as told and remembers what it was asked. */
function recording(answer: (wait: DeliveryWait) => Promise<DeliveryReport>): {
  asked: Asked[]
  delivery: Delivery
} {
  const asked: Asked[] = []
  const ask = (what: string) => (service: string, instanceId: string, wait: DeliveryWait) => {
    asked.push({ what, service, instanceId, wait })
    return answer(wait)
  }
  const settled = (service: string, wait: DeliveryWait): Promise<DeliveryReport> => {
    asked.push({ what: 'settled', service, wait })
    return answer(wait)
  }
  return { asked, delivery: { settled, live: ask('live'), gone: ask('gone') } }
}

async function registered(api: Api): Promise<Record<string, string>> {
  const { body } = await api.call('PUT', PATH, { body: { port: 8081 } })
  return { 'rollcall-lease-secret': body.leaseSecret, 'rollcall-incarnation': String(body.incarnation) }
}

test('a drain is answered at once, or with who knows of it when that is asked', async () => {
  const { asked, delivery } = recording(async () => LATE)
  await using api = await startApi({ delivery })
  const headers = await registered(api)
  const plain = await api.call('POST', `${PATH}/drain`, { headers })
  assert.deepEqual(
    [plain.status, plain.body.instance.status, plain.body.delivery],
    [200, 'draining', undefined],
  )
  assert.equal(asked.length, 0)
  const waited = await api.call('POST', `${PATH}/drain?wait=acked&timeout=700ms`, { headers })
  assert.deepEqual(waited.body.delivery, LATE)
  assert.deepEqual(
    [asked[0]?.what, asked[0]?.service, asked[0]?.wait.timeoutMs],
    ['settled', 'myservice', 700],
  )
})

test('a deregistration is answered 204, or with who knows of it when that is asked', async () => {
  const { asked, delivery } = recording(async () => LATE)
  await using api = await startApi({ delivery })
  const plain = await api.call('DELETE', PATH, { headers: await registered(api) })
  assert.deepEqual([plain.status, plain.body], [204, ''])
  assert.equal(api.registry.get('myservice', 'one'), undefined)
  const waited = await api.call('DELETE', `${PATH}?wait=acked`, { headers: await registered(api) })
  assert.deepEqual([waited.status, waited.body], [200, { delivery: LATE }])
  assert.deepEqual([asked[0]?.what, asked[0]?.instanceId, asked[0]?.wait.timeoutMs], ['gone', 'one', 5_000])
  assert.equal(api.registry.get('myservice', 'one'), undefined)
})

test('who knows of an instance can be asked, live or gone', async () => {
  const { asked, delivery } = recording(async () => LATE)
  await using api = await startApi({ delivery })
  for (const state of ['live', 'gone']) {
    const { status, body } = await api.call('GET', `${PATH}/delivery?state=${state}&timeout=1m`)
    assert.deepEqual([status, body], [200, LATE])
  }
  assert.deepEqual(
    asked.map(({ what, wait }) => [what, wait.timeoutMs]),
    [
      ['live', 60_000],
      ['gone', 60_000],
    ],
  )
})

test('a removal without the right key removes nothing (F60)', async () => {
  await using api = await startApi()
  const headers = await registered(api)
  const before = api.registry.get('myservice', 'one')
  const wrong = [
    {},
    { 'rollcall-incarnation': headers['rollcall-incarnation'] },
    { ...headers, 'rollcall-lease-secret': OTHER_SECRET },
    { ...headers, 'rollcall-lease-secret': 'x' },
  ] as Record<string, string>[]
  for (const each of wrong) {
    for (const [method, path] of [['DELETE', PATH] as const, ['POST', `${PATH}/drain`] as const]) {
      const { status, body } = await api.call(method, path, { headers: each })
      assert.deepEqual([status, body.code], [401, 'ROLLCALL_LEASE_SECRET_INVALID'])
    }
  }
  await api.call('PUT', '/v1/services/other/instances/one', { body: { port: 9 } })
  const older = await api.call('DELETE', PATH, { headers: { ...headers, 'rollcall-incarnation': '7' } })
  assert.deepEqual([older.status, older.body.code], [410, 'ROLLCALL_INCARNATION_SUPERSEDED'])
  assert.equal(api.registry.get('myservice', 'one'), before)
})

test('wrong queries are refused by field and value before anything changes', async () => {
  await using api = await startApi()
  const headers = await registered(api)
  const before = api.registry.get('myservice', 'one')
  const wrong: [string, string, string, string | undefined][] = [
    ['POST', '/drain?wait=ACKED', 'wait', 'ACKED'],
    ['POST', '/drain?wait=acked&timeout=61s', 'timeout', '61s'],
    ['POST', '/drain?wait=acked&timeout=5', 'timeout', '5'],
    ['POST', '/drain?timeout=5s', 'timeout', '5s'],
    ['POST', '/drain?wait=acked&timeout=1s&timeout=2s', 'timeout', undefined],
    ['POST', '/drain?force=1', 'force', '1'],
    ['DELETE', '?wait=no', 'wait', 'no'],
    ['DELETE', '?wait=acked&timeout=-1s', 'timeout', '-1s'],
    ['GET', '/delivery', 'state', undefined],
    ['GET', '/delivery?state=dead', 'state', 'dead'],
    ['GET', '/delivery?state=live&timeout=1h', 'timeout', '1h'],
    ['GET', '/delivery?state=live&__proto__=1', '__proto__', '1'],
  ]
  for (const [method, rest, field, value] of wrong) {
    const { status, body } = await api.call(method, PATH + rest, { headers })
    assert.deepEqual([status, body.field, body.value], [400, field, value], rest)
  }
  assert.equal(api.registry.get('myservice', 'one'), before)
})

test('a wait ends when the caller goes', async () => {
  const { asked, delivery } = recording(
    ({ signal }) => new Promise(resolve => signal?.addEventListener('abort', () => resolve(LATE))),
  )
  await using api = await startApi({ delivery })
  const headers = await registered(api)
  const call = request(`${api.url}${PATH}/drain?wait=acked&timeout=60s`, { method: 'POST', headers })
  call.on('error', () => 'we cut it off')
  call.end()
  while (asked.length === 0) await once(api.app.server, 'request').catch(() => undefined)
  const { signal } = asked[0]?.wait ?? {}
  assert.ok(signal && !signal.aborted)
  call.destroy()
  if (!signal.aborted) await once(signal, 'abort')
})

test('a wait ends when the server stops, and says that the change is made', async () => {
  const { asked, delivery } = recording(() => new Promise(() => 'never'))
  await using api = await startApi({ delivery })
  const headers = await registered(api)
  const waiting = api.call('DELETE', `${PATH}?wait=acked&timeout=60s`, { headers })
  while (asked.length === 0) await new Promise(resolve => setImmediate(resolve))
  await api.app.close()
  const { status, body } = await waiting
  assert.deepEqual([status, body.code], [503, 'ROLLCALL_NOT_READY'])
  assert.equal(api.registry.get('myservice', 'one'), undefined)
})

test('what delivery throws is answered as what it is, and a bug says nothing of itself', async () => {
  const { delivery } = recording(() => Promise.reject(new Error('secret innards')))
  await using api = await startApi({ delivery })
  const { status, body } = await api.call('GET', `${PATH}/delivery?state=live`)
  assert.deepEqual([status, body.code], [500, 'ROLLCALL_INTERNAL'])
  assert.ok(!JSON.stringify(body).includes('innards'))
  assert.ok(api.logged.some(line => line.includes('secret innards')))
})
