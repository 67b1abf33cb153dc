import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore, type Store } from '../../../eds-server/src/registry/store.ts'
import { SECRET } from '../../world/records.ts'
import { startApi } from './api.ts'

const INSTANCE = '/v1/services/myservice/instances/one'
const secret = { 'rollcall-lease-secret': SECRET }

/** A store whose disk is in the hands of the test. */
class HandStore implements Store {
  waits: { resolve(): void; reject(error: Error): void }[] = []
  load = memoryStore.load
  put = memoryStore.put
  bury = memoryStore.bury
  dropStone = memoryStore.dropStone
  know = memoryStore.know
  forget = memoryStore.forget
  close = memoryStore.close
  trouble = memoryStore.trouble
  isDirty = true
  flushed(): Promise<void> | undefined {
    if (!this.isDirty) return undefined
    return new Promise((resolve, reject) => this.waits.push({ resolve, reject }))
  }
}

test('a change is answered when it is on disk and not before; heartbeats and questions do not wait', async () => {
  const store = new HandStore()
  await using api = await startApi({ registry: new Registry({ clock: systemClock, store }) })
  let isAnswered = false
  const answer = api.call('PUT', INSTANCE, { headers: secret, body: { address: '127.0.0.1', port: 8081 } })
  void answer.then(() => {
    isAnswered = true
  })
  while (store.waits.length === 0) await api.call('GET', '/healthz')
  const { body: seen } = await api.call('GET', INSTANCE)
  const headers = { ...secret, 'rollcall-incarnation': String(seen.incarnation) }
  assert.equal((await api.call('PUT', `${INSTANCE}/heartbeat`, { headers })).status, 204)
  assert.equal((await api.call('GET', '/metrics')).status, 200)
  assert.equal(isAnswered, false)
  store.waits.pop()?.resolve()
  assert.equal((await answer).status, 201)
})

test('F26: what cannot be written is refused with its code, for every change; a refusal of its own stays', async () => {
  const store = new HandStore()
  await using api = await startApi({ registry: new Registry({ clock: systemClock, store }) })
  store.flushed = () => Promise.reject(new RollcallError('ROLLCALL_STORE_UNAVAILABLE', 'the disk is full'))
  const registered = await api.call('PUT', INSTANCE, {
    headers: secret,
    body: { address: '127.0.0.1', port: 8081 },
  })
  assert.deepEqual([registered.status, registered.body.code], [503, 'ROLLCALL_STORE_UNAVAILABLE'])
  assert.equal(registered.headers.get('retry-after'), '1')
  assert.match(registered.headers.get('content-type') ?? '', /^application.problem.json/)
  const { body: seen } = await api.call('GET', INSTANCE)
  const headers = { ...secret, 'rollcall-incarnation': String(seen.incarnation) }
  for (const [method, path, body] of [
    ['PATCH', INSTANCE, { weight: 5 }],
    ['POST', `${INSTANCE}/drain`, undefined],
    ['GET', '/edsservice/register?endpoint=127.0.0.1:8099', undefined],
    ['GET', '/edsservice/deregister?endpoint=127.0.0.1:8099', undefined],
    ['DELETE', INSTANCE, undefined],
    ['POST', '/edsservice/listed', { hosts: [] }],
    ['PUT', '/edsservice/listed', { hosts: [] }],
    ['DELETE', '/edsservice/listed', undefined],
    ['POST', '/v1/registration/old', { ip: '127.0.0.1', port: 8098, revision: 'r', tags: {} }],
    ['POST', '/v1/loadbalancing/old', { load_balancing_weight: 7 }],
    ['DELETE', '/v1/registration/old/127.0.0.1:8098', undefined],
  ] as const) {
    const { status } = await api.call(method, path, { headers, ...(body && { body }) })
    assert.equal(status, 503, `${method} ${path}`)
  }
  assert.equal((await api.call('DELETE', INSTANCE, { headers })).status, 410)
})
