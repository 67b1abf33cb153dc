/** X-44 without a stream: who is told a time to live, and when it is told again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { createResource, type Resource } from '../../../eds-server/src/xds/resource.ts'
import {
  LISTENER,
  type ResourceType,
  RUNTIME,
  VIRTUAL_HOST,
} from '../../../eds-server/src/xds/resource-type.ts'
import { UNACKED_MS } from '../../../eds-server/src/xds/unacked.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { DeltaBench, given, namesIn, SotwBench } from './watch-bench.ts'

const TTL_MS = 2000

function timed(type: ResourceType, name: string, content: string, ttlMs: number = TTL_MS): Resource {
  return createResource(type, name, Buffer.from(content), { ttlMs })
}

function filled(type: ResourceType = RUNTIME): { cache: LinearCache; clock: ManualClock } {
  const clock = new ManualClock()
  const cache = new LinearCache(type, { clock })
  cache.set(timed(type, 'a', 'v1'))
  cache.set(createResource(type, 'for ever', Buffer.from('v1')))
  return { cache, clock }
}

function told(client: DeltaBench): string[] | undefined {
  return client.next()?.renewed.map(({ name }) => name)
}

test('X-44: the version of a resource counts its time to live, so a changed one is told', () => {
  const { cache, clock } = filled()
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['a'] })))
  cache.set(timed(RUNTIME, 'a', 'v1', 5000))
  const longer = given(client.next())
  assert.deepEqual([namesIn(longer), longer.isTimed], [['a'], true])
  client.ack(longer)
  cache.set(createResource(RUNTIME, 'a', Buffer.from('v1')))
  const forEver = given(client.next())
  assert.deepEqual([namesIn(forEver), forEver.isTimed], [['a'], false])
  client.ack(forEver)
  clock.advance(60_000)
  assert.equal(client.next(), undefined)
})

test('X-44: delta: a heartbeat after each half of the time to live, of that resource alone, ACKed as usual', () => {
  const { cache, clock } = filled()
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['a', 'for ever'] })))
  for (let beat = 0; beat < 3; beat++) {
    clock.advance(TTL_MS / 2 - 1)
    assert.equal(client.next(), undefined)
    clock.advance(1)
    const response = given(client.next())
    assert.deepEqual([namesIn(response), response.renewed.map(({ name }) => name)], [[], ['a']])
    assert.equal(client.watch.subscription.isSettled, false)
    assert.equal(client.ack(response), undefined)
    assert.equal(client.watch.subscription.isSettled, true)
  }
})

test('X-44: a heartbeat waits for the outstanding ACK, once, and not for ever', () => {
  const { cache, clock } = filled()
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a'] }))
  clock.advance(3 * TTL_MS)
  assert.equal(client.next(), undefined)
  const beat = given(client.ack(first))
  assert.deepEqual(
    beat.renewed.map(({ name }) => name),
    ['a'],
  )
  assert.equal(client.ack(beat), undefined)
  const late = new DeltaBench(cache)
  given(late.request({ subscribe: ['a'] }))
  clock.advance(UNACKED_MS + UNACKED_MS / 5)
  assert.deepEqual(namesIn(late.next()), ['a'])
})

test('X-44: no heartbeat of what was not told yet, was refused, changed or went', () => {
  const { cache, clock } = filled()
  const [refusing, changing, leaving] = [new DeltaBench(cache), new DeltaBench(cache), new DeltaBench(cache)]
  refusing.nack(given(refusing.request({ subscribe: ['a'] })))
  const first = given(changing.request({ subscribe: ['a'] }))
  leaving.ack(given(leaving.request({ subscribe: ['a'] })))
  leaving.request({ unsubscribe: ['a'] })
  clock.advance(TTL_MS / 2)
  assert.deepEqual([refusing.next(), leaving.next()], [undefined, undefined])
  cache.set(timed(RUNTIME, 'a', 'v2'))
  const second = given(changing.ack(first))
  assert.deepEqual([namesIn(second), second.renewed], [['a'], []])
  changing.ack(second)
  cache.delete('a')
  assert.deepEqual(changing.next()?.removed, ['a'])
  clock.advance(TTL_MS)
  assert.equal(clock.pendingTimers, 0)
})

test('X-44: a client that does not know of it is told the resource, and no heartbeat', () => {
  const { cache, clock } = filled()
  for (const client of [new DeltaBench(cache, false), new SotwBench(cache, false)]) {
    const first = given(
      client instanceof DeltaBench ? client.request({ subscribe: ['a'] }) : client.request({ names: ['a'] }),
    )
    assert.deepEqual([namesIn(first), first.isTimed], [['a'], false])
    if (client instanceof DeltaBench) client.ack(first)
    else client.ack(first, ['a'])
    clock.advance(3 * TTL_MS)
    assert.equal(client.next(), undefined)
  }
})

test('X-44: state of the world is told the resource again, with full state all of it', () => {
  const { cache, clock } = filled()
  const client = new SotwBench(cache)
  client.ack(given(client.request({ names: ['a', 'for ever'] })), ['a', 'for ever'])
  clock.advance(TTL_MS / 2)
  const again = given(client.next())
  assert.deepEqual([namesIn(again), again.isTimed, again.changed], [['a'], true, []])
  assert.equal(client.ack(again, ['a', 'for ever']), undefined)
  const full = filled(LISTENER)
  const envoy = new SotwBench(full.cache)
  const first = given(envoy.request({}))
  assert.equal(envoy.ack(first, []), undefined)
  full.clock.advance(TTL_MS / 2)
  const all = given(envoy.next())
  assert.deepEqual([namesIn(all), all.version, all.changed], [['a', 'for ever'], first.version, []])
  assert.equal(envoy.ack(all, []), undefined)
})

test('X-38, X-44: what a reconnecting client has at this version is renewed at once', () => {
  const { cache } = filled()
  const version = timed(RUNTIME, 'a', 'v1').version
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a'], initialVersions: new Map([['a', version]]) }))
  assert.deepEqual([namesIn(first), first.renewed.map(({ name }) => name)], [[], ['a']])
})

test('X-44: no timer while nobody watches, and one for all who do', () => {
  const { cache, clock } = filled()
  clock.advance(10 * TTL_MS)
  assert.equal(clock.pendingTimers, 0)
  for (let i = 0; i < 100; i++) cache.set(timed(RUNTIME, `more ${i}`, 'v1'))
  const clients = Array.from({ length: 10 }, () => new DeltaBench(cache))
  for (const client of clients) client.ack(given(client.request({ subscribe: ['*'] })))
  assert.equal(clock.pendingTimers, 1)
  clock.advance(TTL_MS / 2)
  for (const client of clients) assert.equal(told(client)?.length, 101)
  for (const client of clients) client.watch.close()
  clock.advance(TTL_MS)
  assert.equal(clock.pendingTimers, 0)
})

test('X-44: a cache that begins as a copy of another goes on with its heartbeats where that one was', () => {
  const { cache, clock } = filled()
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['a'] })))
  clock.advance(TTL_MS / 2 - 1)
  client.watch.move(new LinearCache(RUNTIME, { clock }, cache))
  clock.advance(1)
  assert.deepEqual(told(client), ['a'])
})

test('X-70: a virtual host that does not exist is told as an alias of nothing, one that went as removed', () => {
  const cache = new LinearCache(VIRTUAL_HOST, { clock: new ManualClock() })
  const client = new DeltaBench(cache)
  const missing = given(client.request({ subscribe: ['r/a'] }))
  assert.deepEqual([missing.unresolved, missing.removed], [['r/a'], []])
  client.ack(missing)
  const again = given(client.request({ subscribe: ['r/a'] }))
  assert.deepEqual(again.unresolved, ['r/a'], 'asked again (X-36)')
  client.ack(again)
  cache.set(createResource(VIRTUAL_HOST, 'r/a', Buffer.from('v1')))
  const came = given(client.next())
  assert.deepEqual([namesIn(came), came.unresolved], [['r/a'], []])
  client.ack(came)
  cache.delete('r/a')
  const gone = given(client.next())
  assert.deepEqual([gone.unresolved, gone.removed], [[], ['r/a']])
})
