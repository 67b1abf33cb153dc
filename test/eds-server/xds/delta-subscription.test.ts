import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT, LB_ENDPOINT, LISTENER } from '../../../eds-server/src/xds/resource-type.ts'
import { DeltaBench, given, namesIn, resource } from './watch-bench.ts'

function endpoints(...names: string[]): LinearCache {
  const cache = new LinearCache(ENDPOINT)
  for (const name of names) cache.set(resource(ENDPOINT, name, 'v1'))
  return cache
}

function clusters(...names: string[]): LinearCache {
  const cache = new LinearCache(CLUSTER)
  for (const name of names) cache.set(resource(CLUSTER, name, 'v1'))
  return cache
}

const V1 = resource(ENDPOINT, 'a', 'v1').version

test('X-15: after a NACK nothing is resent until there is a newer version', () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  assert.equal(client.nack(given(client.request({ subscribe: ['a'] }))), undefined)
  assert.equal(client.request({}), undefined)
  client.watch.subscription.resend('a')
  assert.equal(client.next(), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(namesIn(client.next()), ['a'])
})

test('X-17: no name is both sent and removed in one response', () => {
  const cache = endpoints('a', 'b')
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a', 'b', 'a', 'c', 'c'] }))
  assert.deepEqual([namesIn(first), first.removed], [['a', 'b'], ['c']])
})

test('X-19: a change of the subscription counts whatever the nonce', () => {
  const cache = endpoints('a', 'b')
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a'] }))
  assert.equal(client.request({ subscribe: ['b'], unsubscribe: ['a'], nonce: 'stale' }), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(namesIn(client.ack(first)), ['b'])
})

test('X-21: an ACK and a change that is undone before it is sent are answered with nothing', () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a'] }))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  assert.equal(client.ack(first), undefined)
})

test('X-23: naming nothing at first means everything of clusters; only at first', () => {
  const client = new DeltaBench(clusters('a', 'b'))
  const first = given(client.request({}))
  assert.deepEqual(namesIn(first), ['a', 'b'])
  const named = new DeltaBench(clusters('a', 'b'))
  const one = given(named.request({ subscribe: ['a'] }))
  assert.deepEqual(namesIn(one), ['a'])
  assert.equal(named.ack(one), undefined)
  assert.equal(named.watch.subscription.isWildcard, false)
})

test('X-24: a collection covers what is below it, as that comes, changes and goes', () => {
  const at = (path: string) => `xdstp://authority/envoy.config.endpoint.v3.LbEndpoint/${path}`
  const cache = new LinearCache(LB_ENDPOINT)
  const client = new DeltaBench(cache)
  const set = (path: string, content: string) => cache.set(resource(LB_ENDPOINT, at(path), content))
  const first = given(client.request({ subscribe: [at('foo/*')] }))
  assert.deepEqual([namesIn(first), first.removed], [[], [at('foo/*')]], 'it is empty')
  client.ack(first)
  cache.update([resource(LB_ENDPOINT, at('foo/1'), '1'), resource(LB_ENDPOINT, at('foo/2'), '1')], [])()
  set('bar/1', '1')
  set('foo/deeper/1', '1')
  const second = given(client.next())
  assert.deepEqual(namesIn(second), [at('foo/1'), at('foo/2')])
  client.ack(second)
  set('foo/1', '2')
  const third = given(client.next())
  assert.deepEqual(namesIn(third), [at('foo/1')])
  client.ack(third)
  cache.delete(at('foo/2'))
  const fourth = given(client.next())
  assert.deepEqual(fourth.removed, [at('foo/2')])
  client.ack(fourth)
  const again = new DeltaBench(cache)
  const version = cache.get(at('foo/1'))?.version ?? ''
  const initialVersions = new Map([
    [at('foo/1'), version],
    [at('foo/2'), 'old'],
  ])
  const told = given(again.request({ subscribe: [at('foo/*')], initialVersions }))
  assert.deepEqual([namesIn(told), told.removed], [[], [at('foo/2')]])
  client.request({ unsubscribe: [at('foo/*')] })
  set('foo/1', '3')
  assert.equal(client.next(), undefined)
})

test('X-25: naming nothing of a type without legacy wildcard is no interest', () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  assert.equal(client.request({}), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.equal(client.next(), undefined)
})

test('X-26: a name that does not exist yet is sent when it does', () => {
  const cache = endpoints()
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['late'] })))
  cache.set(resource(ENDPOINT, 'late', 'v1'))
  const second = given(client.next())
  assert.deepEqual([namesIn(second), second.removed], [['late'], []])
})

test('X-27: unsubscribing phantom names is ignored', () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['a'] })))
  assert.equal(client.request({ unsubscribe: ['phantom', '*', ''] }), undefined)
  const wild = new DeltaBench(cache)
  wild.ack(given(wild.request({ subscribe: ['*'] })))
  assert.equal(wild.request({ unsubscribe: ['phantom'] }), undefined)
})

test('X-27: unsubscribing a name under a wildcard is answered with the resource, or with its removal', () => {
  const client = new DeltaBench(endpoints('a'))
  const first = given(client.request({ subscribe: ['*', 'a', 'b'] }))
  assert.deepEqual([namesIn(first), first.removed], [['a'], ['b']])
  const second = given(client.request({ nonce: first.nonce, unsubscribe: ['a', 'b'] }))
  assert.deepEqual([namesIn(second), second.removed], [['a'], ['b']])
})

test('X-28: unsubscribing the wildcard keeps what is named', () => {
  const cache = endpoints('a', 'b')
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['*', 'a'] }))
  assert.equal(client.request({ nonce: first.nonce, unsubscribe: ['*'] }), undefined)
  cache.set(resource(ENDPOINT, 'b', 'v2'))
  assert.equal(client.next(), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(namesIn(client.next()), ['a'])
})

test('X-28: subscribes come before unsubscribes', () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  assert.equal(client.request({ subscribe: ['a'], unsubscribe: ['a'] }), undefined)
  assert.equal(cache.isWatched('a'), false)
})

test('X-28: subscribing to a name does not end the legacy wildcard', () => {
  const cache = clusters('a')
  const client = new DeltaBench(cache)
  client.ack(given(client.request({})))
  client.ack(given(client.request({ subscribe: ['a'] })))
  cache.set(resource(CLUSTER, 'b', 'v1'))
  assert.deepEqual(namesIn(client.next()), ['b'])
})

test('X-33: a resend tells a resource again; of a name without one it tells nothing', () => {
  const client = new DeltaBench(endpoints('a'))
  client.ack(given(client.request({ subscribe: ['a', 'gone'] })))
  client.watch.subscription.resend('a')
  // "Removed" would empty the warming cluster.
  client.watch.subscription.resend('gone')
  const second = given(client.next())
  assert.deepEqual([namesIn(second), second.removed], [['a'], []])
})

test('X-36: a name that is subscribed again is answered again', () => {
  const client = new DeltaBench(endpoints('a'))
  client.ack(given(client.request({ subscribe: ['a'] })))
  assert.deepEqual(namesIn(client.request({ subscribe: ['a'] })), ['a'])
})

test('X-37: a name that does not exist is removed at once, and again when it is subscribed again', () => {
  const client = new DeltaBench(endpoints())
  const first = given(client.request({ subscribe: ['none'] }))
  assert.deepEqual([first.resources, first.removed], [[], ['none']])
  assert.equal(client.ack(first), undefined)
  assert.deepEqual(client.request({ subscribe: ['none'] })?.removed, ['none'])
})

test('X-37: a deletion is told by name, to those who were told of the resource', () => {
  const cache = endpoints('a', 'b')
  const named = new DeltaBench(cache)
  const wild = new DeltaBench(cache)
  named.ack(given(named.request({ subscribe: ['a'] })))
  wild.ack(given(wild.request({ subscribe: ['*'] })))
  cache.delete('b')
  assert.equal(named.next(), undefined)
  assert.deepEqual(wild.next()?.removed, ['b'])
})

test('X-38: what a reconnecting client has at this version is not sent again and counts as ACKed', async () => {
  const cache = endpoints('a')
  const client = new DeltaBench(cache)
  assert.equal(client.request({ subscribe: ['a'], initialVersions: new Map([['a', V1]]) }), undefined)
  assert.equal(client.watch.view('delta', true).state, 'SYNCED')
  const report = await cache.acked('a', { timeoutMs: 1000 })
  assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
})

test('X-38: of what a reconnecting client has, the changed is sent and the gone is removed', () => {
  const cache = endpoints('a', 'b')
  cache.set(resource(ENDPOINT, 'b', 'v2'))
  const initialVersions = new Map(['a', 'b', 'gone', 'unasked'].map(name => [name, V1]))
  const client = new DeltaBench(cache)
  const first = given(client.request({ subscribe: ['a', 'b', 'gone'], initialVersions }))
  assert.deepEqual([namesIn(first), first.removed], [['b'], ['gone']])
})

test('X-38: a wildcard that reconnects is answered even if nothing changed, and told what is gone', () => {
  const cache = clusters('a')
  const { version } = resource(CLUSTER, 'a', 'v1')
  const client = new DeltaBench(cache)
  const same = given(client.request({ initialVersions: new Map([['a', version]]) }))
  assert.deepEqual([same.resources, same.removed], [[], []])
  const behind = new DeltaBench(cache)
  const initialVersions = new Map([
    ['a', version],
    ['gone', version],
  ])
  assert.deepEqual(behind.request({ initialVersions })?.removed, ['gone'])
})

test('X-38: versions in a later request mean nothing', () => {
  const cache = endpoints('a', 'b')
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['a'] })))
  const late = client.request({ subscribe: ['b'], initialVersions: new Map([['b', V1]]) })
  assert.deepEqual(namesIn(late), ['b'])
})

test('X-40: a name that is held is not removed, and the version the client shows is asked about', () => {
  let isHeld = true
  const cache = new LinearCache(ENDPOINT, { hold: (_name, version) => isHeld && version === V1 })
  const client = new DeltaBench(cache)
  const known = new Map([['a', V1]])
  const first = given(client.request({ subscribe: ['a', 'fresh'], initialVersions: known }))
  assert.deepEqual(first.removed, ['fresh'])
  isHeld = false
  assert.deepEqual(client.ack(first)?.removed, ['a'])
})

test('X-24: an API listener is for those who ask for it by name, and not part of everything', () => {
  const cache = new LinearCache(LISTENER)
  const plain = resource(LISTENER, 'a', '')
  const api = resource(LISTENER, 'a', '\x9a\x01\x00')
  cache.set(api)
  const envoy = new DeltaBench(cache)
  const empty = given(envoy.request({}))
  assert.deepEqual([empty.resources, empty.removed], [[], []])
  assert.equal(envoy.ack(empty), undefined)
  const byName = new DeltaBench(cache)
  assert.deepEqual(namesIn(byName.request({ subscribe: ['a'] })), ['a'])
  // It becomes one for all, and then none again.
  cache.set(plain)
  const told = given(envoy.next())
  assert.deepEqual(namesIn(told), ['a'])
  assert.equal(envoy.ack(told), undefined)
  cache.set(api)
  assert.deepEqual(given(envoy.next()).removed, ['a'])
})
