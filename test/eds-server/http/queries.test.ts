import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from './api.ts'

test('services, instances and one instance', async () => {
  const nodes = [{ node: 'n1', cluster: 'edge', types: [{ typeUrl: 't', state: 'SYNCED' }] }]
  await using api = await startApi({ nodes: () => nodes })
  assert.deepEqual((await api.call('GET', '/v1/services')).body, { services: [] })
  await api.call('PUT', '/v1/services/a/instances/one', { body: { port: 1, metadata: { k: 'v', n: 1 } } })
  await api.call('PUT', '/v1/services/a/instances/two', { body: { port: 2, status: 'draining' } })
  await api.call('GET', '/edsservice/register?endpoint=10.0.0.1:3&service=b')
  assert.deepEqual((await api.call('GET', '/v1/services')).body, {
    services: [
      { service: 'a', instances: 2, healthy: 1 },
      { service: 'b', instances: 1, healthy: 1 },
    ],
  })
  const listed = (await api.call('GET', '/v1/services/A/instances')).body
  assert.deepEqual(
    [listed.service, listed.instances.map((each: { instanceId: string }) => each.instanceId)],
    ['a', ['one', 'two']],
  )
  const one = (await api.call('GET', '/v1/services/a/instances/one')).body
  assert.deepEqual(one, listed.instances[0])
  assert.deepEqual(one.metadata, { k: 'v', n: 1 })
  assert.ok(!('leaseSecret' in one))
  const unleased = (await api.call('GET', '/v1/services/b/instances/10.0.0.1:3')).body
  assert.ok(!('lease' in unleased))
  assert.deepEqual((await api.call('GET', '/v1/nodes')).body, { nodes })
})

test('an empty service is known, one never heard of is not', async () => {
  await using api = await startApi()
  await api.call('GET', '/edsservice/register?endpoint=10.0.0.1:3')
  await api.call('GET', '/edsservice/deregister?endpoint=10.0.0.1:3')
  assert.deepEqual((await api.call('GET', '/v1/services/myservice/instances')).body, {
    service: 'myservice',
    instances: [],
  })
  const never = await api.call('GET', '/v1/services/never/instances')
  assert.deepEqual(
    [never.status, never.body.code, never.body.field, never.body.value],
    [404, 'ROLLCALL_SERVICE_UNKNOWN', 'service', 'never'],
  )
  const instance = await api.call('GET', '/v1/services/myservice/instances/nobody')
  assert.deepEqual([instance.status, instance.body.code], [404, 'ROLLCALL_INSTANCE_UNKNOWN'])
})

test('a wrong name or an unknown parameter is refused', async () => {
  await using api = await startApi()
  const wrong: [string, string][] = [
    ['/v1/services?page=2', 'page'],
    ['/v1/nodes?x=1', 'x'],
    ['/v1/services/repo/instances', 'service'],
    ['/v1/services/a/instances/%20', 'instanceId'],
    ['/v1/services/a/instances?limit=1', 'limit'],
    ['/v1/services/a/instances/b?x', 'x'],
  ]
  for (const [path, field] of wrong) {
    const { status, body } = await api.call('GET', path)
    assert.deepEqual([status, body.field], [400, field], path)
  }
})
