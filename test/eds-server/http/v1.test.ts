import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../../eds-server/src/registry/instance.ts'
import { record } from '../../world/records.ts'
import { type Api, startApi } from './api.ts'

const PATH = '/v1/registration/myservice'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

function post(api: Api, path: string, fields: Record<string, string>) {
  return api.call('POST', path, { text: new URLSearchParams(fields).toString(), headers: FORM })
}

test('a form registers a host, a second one merges its tags, and a poll shows them', async () => {
  await using api = await startApi()
  const tags = { az: 'eu-1', region: 'eu', instance_id: 'i-1', canary: true, load_balancing_weight: 20 }
  const fields = { ip: '10.0.0.7', port: '8081', revision: 'abc', service_repo_name: 'repo-1' }
  const first = await post(api, PATH, { ...fields, tags: JSON.stringify(tags) })
  assert.deepEqual([first.status, first.body], [200, {}])
  await post(api, PATH, {
    ip: '10.0.0.7',
    port: '8081',
    revision: 'def',
    tags: '{"colour":"red","onebox":null}',
  })
  const { status, body } = await api.call('GET', PATH)
  const { last_check_in: at, ...shown } = body.hosts[0]
  assert.equal(status, 200)
  assert.ok(!Number.isNaN(Date.parse(at)))
  assert.deepEqual(
    { ...body, hosts: [shown] },
    {
      service: 'myservice',
      env: 'default',
      hosts: [
        {
          ip_address: '10.0.0.7',
          port: 8081,
          service: 'myservice',
          revision: 'def',
          service_repo_name: 'repo-1',
          tags: { ...tags, colour: 'red' },
        },
      ],
    },
  )
  const byRepo = await api.call('GET', '/v1/registration/repo/repo-1')
  assert.deepEqual([byRepo.body.service_repo_name, byRepo.body.hosts.length], ['repo-1', 1])
  assert.equal(api.registry.at('myservice', '10.0.0.7', 8081)?.ttlMs, undefined)
})

test('a second port on an address is a second host', async () => {
  await using api = await startApi()
  await post(api, PATH, { ip: '10.0.0.7', port: '8081' })
  await post(api, PATH, { ip: '10.0.0.7', port: '8082' })
  assert.equal((await api.call('GET', PATH)).body.hosts.length, 2)
  const ambiguous = await api.call('DELETE', `${PATH}/10.0.0.7`)
  assert.deepEqual([ambiguous.status, ambiguous.body.code], [409, 'ROLLCALL_ADDRESS_AMBIGUOUS'])
  assert.equal((await api.call('DELETE', `${PATH}/10.0.0.7:8082/`)).status, 202)
  assert.equal((await api.call('DELETE', `${PATH}/10.0.0.7`)).status, 200)
  assert.equal((await api.call('DELETE', `${PATH}/10.0.0.7`)).status, 404)
  assert.deepEqual((await api.call('GET', PATH)).body.hosts, [])
})

test('JSON registers too, and the caller may leave its address to us', async () => {
  await using api = await startApi()
  const answer = await api.call('POST', PATH, {
    body: { ip: 'fd00::1', port: 8081, revision: 'r', tags: { az: 'a' } },
  })
  assert.deepEqual([answer.status, answer.body], [202, {}])
  assert.equal((await api.call('DELETE', `${PATH}/[fd00::1]:8081`)).status, 202)
  assert.equal((await post(api, PATH, { auto_ip: 'true', port: '8081' })).status, 200)
  assert.equal((await api.call('GET', PATH)).body.hosts[0].ip_address, '127.0.0.1')
})

test('weights are set for one host or for all, also for one that holds a lease', async () => {
  await using api = await startApi()
  await api.call('PUT', '/v1/services/myservice/instances/one', { body: { port: 8081 } })
  await post(api, PATH, { ip: '127.0.0.1', port: '8082' })
  assert.equal((await post(api, '/v1/loadbalancing/myservice', { load_balancing_weight: '10' })).status, 204)
  const one = '/v1/loadbalancing/myservice/127.0.0.1:8081'
  assert.equal((await api.call('POST', one, { body: { load_balancing_weight: 30 } })).status, 204)
  const { body } = await api.call('GET', PATH)
  const weights = body.hosts.map(({ tags }: { tags: Record<string, number> }) => tags.load_balancing_weight)
  assert.deepEqual(weights, [30, 10])
  for (const weight of ['0', '101', 'x', '1.5', '']) {
    const { status } = await post(api, one, { load_balancing_weight: weight })
    assert.equal(status, 400, weight)
  }
  assert.equal((await post(api, '/v1/loadbalancing/none', { load_balancing_weight: '1' })).status, 404)
  assert.equal(
    (await post(api, '/v1/loadbalancing/myservice/1.2.3.4', { load_balancing_weight: '1' })).status,
    404,
  )
})

test('larger weights are scaled to what this generation takes; their shares stay', async () => {
  await using api = await startApi()
  for (const [port, weight] of [
    [8081, 1000],
    [8082, 3000],
    [8083, 1],
  ]) {
    await api.call('PUT', `/v1/services/myservice/instances/i${port}`, { body: { port, weight } })
  }
  const { body } = await api.call('GET', PATH)
  const weights = body.hosts.map(({ tags }: { tags: Record<string, number> }) => tags.load_balancing_weight)
  assert.deepEqual(weights, [33, 100, 1])
})

test('unwell and leaving hosts are left out as long as there are others', async () => {
  await using api = await startApi()
  const ports = async () => (await api.call('GET', PATH)).body.hosts.map(({ port }: { port: number }) => port)
  const register = (port: number, status: Status) =>
    api.registry.register({ ...record(), instanceId: `i${port}`, port, status }, undefined)
  register(8081, 'starting')
  assert.deepEqual(await ports(), [])
  register(8082, 'draining')
  assert.deepEqual(await ports(), [8082])
  register(8083, 'unhealthy')
  assert.deepEqual(await ports(), [8083])
  register(8084, 'degraded')
  assert.deepEqual(await ports(), [8084])
  register(8085, 'healthy')
  assert.deepEqual(await ports(), [8084, 8085])
})

test('a service never heard of has no hosts; while the server is not ready nobody has', async () => {
  let ready = true
  await using api = await startApi({ readiness: () => ({ ready }) })
  assert.deepEqual(
    [(await api.call('GET', PATH)).status, (await api.call('GET', PATH)).body.hosts],
    [200, []],
  )
  ready = false
  assert.equal((await api.call('GET', PATH)).status, 503)
})

test('wrong registrations are refused by field, and change nothing', async () => {
  await using api = await startApi()
  const good = { ip: '127.0.0.1', port: '8081' }
  const wrong: [Record<string, string>, string][] = [
    [{ port: '8081' }, 'ip'],
    [{ ip: '127.0.0.1' }, 'port'],
    [{ ...good, ip: 'localhost' }, 'ip'],
    [{ ...good, ip: '169.254.169.254' }, 'ip'],
    [{ ...good, port: '0' }, 'port'],
    [{ ...good, port: '65536' }, 'port'],
    [{ ...good, port: '80 ' }, 'port'],
    [{ ...good, weight: '1' }, 'weight'],
    [{ ...good, tags: '{' }, 'tags'],
    [{ ...good, tags: '[]' }, 'tags'],
    [{ ...good, tags: '{"az":1}' }, 'tags.az'],
    [{ ...good, tags: '{"canary":"x"}' }, 'tags.canary'],
    [{ ...good, tags: '{"load_balancing_weight":101}' }, 'tags.load_balancing_weight'],
    [{ ...good, tags: '{"__proto__":"x"}' }, 'tags.__proto__'],
    [{ ...good, tags: '{"a":{}}' }, 'tags.a'],
  ]
  for (const [fields, field] of wrong) {
    const { status, body } = await post(api, PATH, fields)
    assert.deepEqual([status, body.field], [400, field], JSON.stringify(fields))
  }
  const twice = await api.call('POST', PATH, { text: 'ip=127.0.0.1&ip=127.0.0.2&port=1', headers: FORM })
  assert.deepEqual([twice.status, twice.body.field], [400, 'ip'])
  const typed = await api.call('POST', PATH, { body: { ip: '127.0.0.1', port: 80, tags: 'x' } })
  assert.deepEqual([typed.status, typed.body.field], [400, 'tags'])
  assert.equal(
    (await api.call('POST', PATH, { text: 'a'.repeat(2 * 1024 * 1024), headers: FORM })).status,
    413,
  )
  assert.equal((await api.call('POST', PATH)).status, 400)
  for (const name of ['__proto__', 'a%2Fb', 'repo']) {
    const { status } = await post(api, `/v1/registration/${name}`, good)
    assert.equal(status, 400, name)
  }
  assert.deepEqual([...api.registry.services()], [])
})
