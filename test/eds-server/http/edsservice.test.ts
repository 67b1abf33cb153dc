import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from './api.ts'

test('an endpoint is registered without a lease, again without effect, and deregistered', async () => {
  await using api = await startApi()
  const events: string[] = []
  api.registry.on(({ type }) => events.push(type))
  for (let again = 0; again < 2; again += 1) {
    const { status, body } = await api.call('GET', '/edsservice/register?endpoint=127.0.0.1:8081')
    const { incarnation, ...said } = body
    assert.equal(status, 200)
    assert.ok(Number.isSafeInteger(incarnation))
    assert.deepEqual(said, {
      service: 'myservice',
      endpoint: '127.0.0.1:8081',
      instanceId: '127.0.0.1:8081',
    })
  }
  assert.equal(api.registry.get('myservice', '127.0.0.1:8081')?.ttlMs, undefined)
  const { status, body } = await api.call('GET', '/edsservice/deregister?endpoint=127.0.0.1:8081')
  assert.deepEqual([status, body.endpoint], [200, '127.0.0.1:8081'])
  assert.deepEqual(events, ['registered', 'deregistered'])
  const again = await api.call('GET', '/edsservice/deregister?endpoint=127.0.0.1:8081')
  assert.deepEqual(
    [again.status, again.body.code, again.body.value],
    [404, 'ROLLCALL_INSTANCE_UNKNOWN', '127.0.0.1:8081'],
  )
})

test('the service may be named, and IPv6 is written in brackets', async () => {
  await using api = await startApi()
  const query = '?endpoint=[FD00::0001]:8081&service=Other'
  const { body } = await api.call('GET', `/edsservice/register${query}`)
  assert.deepEqual(
    [body.service, body.endpoint, body.instanceId],
    ['other', '[fd00::1]:8081', 'fd00::1:8081'],
  )
  assert.equal((await api.call('GET', `/edsservice/deregister${query}`)).status, 200)
})

test('an operator may remove what an SDK registered', async () => {
  await using api = await startApi()
  await api.call('PUT', '/v1/services/myservice/instances/one', { body: { port: 8081 } })
  assert.equal((await api.call('GET', '/edsservice/deregister?endpoint=127.0.0.1:8081')).status, 200)
  assert.equal(api.registry.get('myservice', 'one'), undefined)
})

test('what may not be registered any more can still be removed', async () => {
  await using open = await startApi({ allowAddresses: ['8.8.8.0/24'] })
  await open.call('GET', '/edsservice/register?endpoint=8.8.8.8:80')
  await using api = await startApi({ registry: open.registry })
  assert.equal((await api.call('GET', '/edsservice/register?endpoint=8.8.8.8:80')).status, 400)
  assert.equal((await api.call('GET', '/edsservice/deregister?endpoint=8.8.8.8:80')).status, 200)
})

test('wrong endpoints and queries are refused by field and value, and change nothing', async () => {
  await using api = await startApi()
  const wrong: [string, string, unknown, string][] = [
    ['', 'endpoint', undefined, 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=', 'endpoint', '', 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=127.0.0.1', 'endpoint', '127.0.0.1', 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=localhost:80', 'endpoint', 'localhost:80', 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=127.0.0.1:65536', 'endpoint', '127.0.0.1:65536', 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=127.0.0.1:0', 'endpoint', 0, 'ROLLCALL_ADDRESS_REFUSED'],
    ['?endpoint=127.0.0.1:9901', 'endpoint', 9901, 'ROLLCALL_ADDRESS_REFUSED'],
    ['?endpoint=169.254.169.254:80', 'endpoint', '169.254.169.254', 'ROLLCALL_ADDRESS_REFUSED'],
    ['?endpoint=127.0.0.1:80&endpoint=127.0.0.1:81', 'endpoint', undefined, 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=127.0.0.1:80&service=repo', 'service', 'repo', 'ROLLCALL_INVALID_ARGUMENT'],
    ['?endpoint=127.0.0.1:80&weight=2', 'weight', '2', 'ROLLCALL_INVALID_ARGUMENT'],
  ]
  for (const [query, field, value, code] of wrong) {
    const { status, body } = await api.call('GET', `/edsservice/register${query}`)
    assert.deepEqual([status, body.field, body.value, body.code], [400, field, value, code], query)
  }
  assert.deepEqual([...api.registry.services()], [])
})

test('HEAD does not register: it would be a side effect of a look', async () => {
  await using api = await startApi()
  const { status } = await api.call('HEAD', '/edsservice/register?endpoint=127.0.0.1:8081')
  assert.equal(status, 405)
  assert.deepEqual([...api.registry.services()], [])
})
