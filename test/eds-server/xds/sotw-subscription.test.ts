import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT, LISTENER } from '../../../eds-server/src/xds/resource-type.ts'
import { given, namesIn, resource, SotwBench } from './watch-bench.ts'

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

test('X-06: while a response is outstanding a newer list of names is kept and answered after the ACK', () => {
  const client = new SotwBench(endpoints('a', 'b', 'c'))
  const first = given(client.request({ names: ['a'] }))
  assert.equal(client.request({ names: ['a', 'b'] }), undefined)
  assert.equal(client.request({ names: ['b', 'c'] }), undefined)
  assert.deepEqual(namesIn(client.ack(first, ['b', 'c'])), ['b', 'c'])
})

test('X-07: nothing is sent after the last name is unsubscribed, whatever changes', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  assert.equal(client.ack(first, []), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.equal(client.next(), undefined)
  assert.equal(cache.isWatched('a'), false)
})

test('X-07: a full state that fell due before the last name was unsubscribed is not sent', () => {
  const client = new SotwBench(clusters('a', 'b'))
  const first = given(client.request({ names: ['a'] }))
  assert.equal(client.request({ names: ['a', 'b'] }), undefined)
  assert.equal(client.ack(first, []), undefined)
})

test('X-12: a nonce of an earlier stream on a new one is an initial request', () => {
  const client = new SotwBench(endpoints('a'))
  const version = resource(ENDPOINT, 'a', 'v1').version
  assert.deepEqual(namesIn(client.request({ names: ['a'], nonce: 'n7', version })), ['a'])
})

test('X-13: an error at the version that was sent is a NACK, no error at an older version is an ACK', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  client.request({
    names: ['a'],
    nonce: first.nonce,
    version: first.version,
    error: { code: 3, message: 'bad' },
  })
  assert.equal(client.watch.view('sotw', true).state, 'NACKED')
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const second = given(client.next())
  client.request({ names: ['a'], nonce: second.nonce, version: first.version })
  assert.equal(client.watch.view('sotw', true).state, 'SYNCED')
})

test('X-14: the view names the version that was ACKed and the one that was refused', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  client.ack(first, ['a'])
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const second = given(client.next())
  client.nack(second, ['a'])
  const view = client.watch.view('sotw', true)
  assert.equal(view.version, first.version)
  assert.deepEqual(view.nack, {
    version: second.version,
    resources: ['a'],
    code: 3,
    message: 'no',
    at: '2026-01-01T00:00:00.000Z',
  })
})

test('F15: each resource says where it stands with the client', () => {
  const cache = endpoints('a', 'b', 'c')
  const client = new SotwBench(cache)
  const states = () =>
    client.watch.status('sotw', false).resources.map(({ name, resource, state, nack }) => ({
      name,
      version: resource?.version ?? '',
      state,
      ...(nack && { error: nack.message }),
    }))
  const state = (name: string) => states().find(each => each.name === name)
  assert.deepEqual(states(), [])
  client.watch.request({
    node: undefined,
    typeUrl: '',
    nonce: '',
    error: undefined,
    version: '',
    names: ['a', 'b', 'c', 'd'],
  })
  assert.equal(state('a')?.state, 'NOT_SENT')
  const first = given(client.next())
  assert.equal(state('a')?.state, 'STALE')
  client.ack(first, ['a', 'b', 'c', 'd'])
  const v1 = resource(ENDPOINT, 'a', 'v1').version
  assert.deepEqual(state('a'), { name: 'a', version: v1, state: 'SYNCED' })
  assert.deepEqual(state('d'), { name: 'd', version: '', state: 'NOT_SENT' })
  const bad = resource(ENDPOINT, 'b', 'bad')
  cache.set(bad)
  client.nack(given(client.next()), ['a', 'b', 'c', 'd'])
  assert.deepEqual(state('b'), { name: 'b', version: bad.version, state: 'NACKED', error: 'no' })
  assert.equal(state('a')?.state, 'SYNCED')
})

test('X-15: after a NACK nothing is resent until there is a newer version', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  assert.equal(client.nack(first, ['a']), undefined)
  assert.equal(client.request({ names: ['a'], nonce: first.nonce }), undefined, 'an ACK-looking repeat')
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  assert.equal(client.next(), undefined, 'the same content again')
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(namesIn(client.next()), ['a'])
})

test('X-15: going back from a refused version to the accepted one is news to the client', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  client.ack(given(client.request({ names: ['a'] })), ['a'])
  cache.set(resource(ENDPOINT, 'a', 'bad'))
  client.nack(given(client.next()), ['a'])
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  assert.deepEqual(namesIn(client.next()), ['a'])
})

test('X-18: a stale nonce is no ACK; its names count once the outstanding response is ACKed', () => {
  const cache = endpoints('a', 'b')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  client.ack(first, ['a'])
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const second = given(client.next())
  assert.equal(client.request({ names: ['a', 'b'], nonce: first.nonce, version: first.version }), undefined)
  assert.equal(client.watch.view('sotw', true).state, 'STALE')
  assert.equal(cache.isWatched('b'), true)
  assert.deepEqual(namesIn(client.ack(second, ['a', 'b'])), ['b'])
})

test('X-18: an update that crosses a subscription change is not lost', () => {
  const cache = endpoints('a', 'b')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.equal(client.request({ names: ['b'] }), undefined)
  assert.deepEqual(namesIn(client.ack(first, ['a', 'b'])), ['a', 'b'])
})

test('X-20: the first request of a stream is answered even at an equal version', () => {
  const client = new SotwBench(endpoints('a'))
  const { version } = resource(ENDPOINT, 'a', 'v1')
  assert.equal(given(client.request({ names: ['a'], version })).version, version)
})

test('X-20: the version of several resources depends on their content and not on their order', () => {
  const forth = given(new SotwBench(endpoints('a', 'b')).request({ names: ['a', 'b'] }))
  const back = given(new SotwBench(endpoints('b', 'a')).request({ names: ['b', 'a'] }))
  assert.equal(forth.version, back.version)
  const other = endpoints('a', 'b')
  other.set(resource(ENDPOINT, 'b', 'v2'))
  assert.notEqual(given(new SotwBench(other).request({ names: ['a', 'b'] })).version, forth.version)
})

test('X-21: an ACK, an equal set and a change that is undone before it is sent are answered with nothing', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  assert.equal(client.ack(first, ['a']), undefined)
})

test('X-21: a resource that nobody asked for is not sent', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  client.ack(given(client.request({ names: ['a'] })), ['a'])
  cache.set(resource(ENDPOINT, 'b', 'v1'))
  assert.equal(client.next(), undefined)
})

test('X-22: a name that was dropped and is asked for again is sent, although it did not change', () => {
  const client = new SotwBench(endpoints('a', 'b'))
  const first = given(client.request({ names: ['a', 'b'] }))
  client.ack(first, ['b'])
  const again = { nonce: first.nonce, version: first.version, names: ['a', 'b'] }
  assert.deepEqual(namesIn(client.request(again)), ['a'])
})

test('X-22: a name that was only sent by wildcard is sent when it is asked for', () => {
  const client = new SotwBench(endpoints('a', 'b'))
  const first = given(client.request({ names: ['*'] }))
  assert.deepEqual(namesIn(first), ['a', 'b'])
  assert.deepEqual(namesIn(client.ack(first, ['*', 'a'])), ['a'])
})

test('X-23: no names at first means everything of clusters and listeners', () => {
  for (const type of [CLUSTER, LISTENER]) {
    const cache = new LinearCache(type)
    cache.set(resource(type, 'a', 'v1'))
    cache.set(resource(type, 'b', 'v1'))
    assert.deepEqual(namesIn(new SotwBench(cache).request({})), ['a', 'b'])
  }
})

test('X-23: once a name was given, no names means nothing', () => {
  const cache = clusters('a', 'b')
  const client = new SotwBench(cache)
  const everything = given(client.request({}))
  const both = given(client.ack(everything, ['*', 'a']))
  assert.deepEqual(namesIn(both), ['a', 'b'])
  const one = given(client.request({ nonce: both.nonce, version: both.version, names: ['a'] }) ?? both)
  assert.equal(client.request({ nonce: one.nonce, version: one.version, names: [] }), undefined)
  cache.set(resource(CLUSTER, 'a', 'v2'))
  assert.equal(client.next(), undefined)
  assert.equal(cache.isWatched('a'), false)
})

test('X-23: the legacy wildcard holds while no name was given, also in its ACKs', () => {
  const cache = clusters('a')
  const client = new SotwBench(cache)
  client.ack(given(client.request({})), [])
  cache.set(resource(CLUSTER, 'b', 'v1'))
  assert.deepEqual(namesIn(client.next()), ['a', 'b'])
})

test('X-24: wildcard and names combine; dropping the name leaves the wildcard', () => {
  const cache = endpoints('a', 'b')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['*', 'a'] }))
  assert.deepEqual(namesIn(first), ['a', 'b'])
  client.ack(first, ['*'])
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(namesIn(client.next()), ['a'])
})

test('X-25: no names of a type without legacy wildcard is no interest', () => {
  const cache = endpoints('a')
  const client = new SotwBench(cache)
  assert.equal(client.request({}), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  assert.equal(client.next(), undefined)
})

test('X-26: a name that does not exist yet is remembered and sent when it does', () => {
  const cache = endpoints()
  const client = new SotwBench(cache)
  assert.equal(client.request({ names: ['late'] }), undefined)
  cache.set(resource(ENDPOINT, 'late', 'v1'))
  assert.deepEqual(namesIn(client.next()), ['late'])
})

test('X-30: each response of a type with full state is the full state, and absence deletes', () => {
  const cache = clusters('a', 'b', 'c')
  const client = new SotwBench(cache)
  client.ack(given(client.request({})), [])
  cache.set(resource(CLUSTER, 'a', 'v2'))
  const second = given(client.next())
  assert.deepEqual(namesIn(second), ['a', 'b', 'c'])
  assert.deepEqual(
    second.changed.map(({ name }) => name),
    ['a'],
  )
  client.ack(second, [])
  cache.delete('b')
  assert.deepEqual(namesIn(client.next()), ['a', 'c'])
})

test('X-30: full state without any resource is an answer too', () => {
  const cache = clusters()
  const client = new SotwBench(cache)
  const first = given(client.request({}))
  assert.deepEqual(namesIn(first), [])
  assert.equal(client.ack(first, []), undefined)
})

test('X-31: a partial type tells only what changed, and of a deletion nothing', () => {
  const cache = endpoints('a', 'b')
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a', 'b'] }))
  client.ack(first, ['a', 'b'])
  cache.set(resource(ENDPOINT, 'b', 'v2'))
  const second = given(client.next())
  assert.deepEqual(namesIn(second), ['b'])
  client.ack(second, ['a', 'b'])
  cache.delete('b')
  assert.equal(client.next(), undefined)
})

test('X-33: a request that looks like a second ACK is answered again, once', () => {
  const client = new SotwBench(endpoints('a'))
  const first = given(client.request({ names: ['a'] }))
  assert.equal(client.ack(first, ['a']), undefined)
  const second = given(client.ack(first, ['a']))
  assert.deepEqual([namesIn(second), second.version], [['a'], first.version])
  assert.notEqual(second.nonce, first.nonce)
  assert.equal(client.ack(second, ['a']), undefined)
})

test('X-33: a type with full state needs no such answer', () => {
  const client = new SotwBench(clusters('a'))
  const first = given(client.request({}))
  assert.equal(client.ack(first, []), undefined)
  assert.equal(client.ack(first, []), undefined)
})

test('X-33: a resend while a response is outstanding follows its ACK', () => {
  const client = new SotwBench(endpoints('a'))
  const first = given(client.request({ names: ['a'] }))
  client.watch.subscription.resend('a')
  client.watch.subscription.resend('unasked')
  assert.equal(client.next(), undefined)
  const second = given(client.ack(first, ['a']))
  assert.deepEqual([namesIn(second), second.changed], [['a'], []])
})

test('X-40: a name that was never set is answered with the placeholder, one that was deleted is not', () => {
  const placeholder = (name: string) => resource(ENDPOINT, name, 'nothing here')
  const cache = new LinearCache(ENDPOINT, { placeholder })
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  assert.equal(first.version, placeholder('a').version)
  client.ack(first, ['a'])
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  client.ack(given(client.next()), ['a'])
  cache.delete('a')
  assert.equal(client.next(), undefined)
})

test('X-40: what is held is neither sent nor replaced, until it is released', () => {
  const held = new Set(['a'])
  const shown: string[] = []
  const cache = new LinearCache(ENDPOINT, {
    placeholder: name => resource(ENDPOINT, name, 'nothing here'),
    hold: (name, clientVersion) => {
      shown.push(clientVersion)
      return held.has(name)
    },
  })
  const client = new SotwBench(cache)
  assert.equal(client.request({ names: ['a'], version: 'earlier' }), undefined)
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  assert.equal(client.next(), undefined)
  held.clear()
  cache.release()
  assert.deepEqual(namesIn(client.next()), ['a'])
  assert.deepEqual(new Set(shown), new Set(['earlier']))
})

test('X-57: responses are cut between resources before gRPC refuses them', () => {
  const cache = endpoints()
  const big = 'x'.repeat(2 * 1024 * 1024)
  for (const name of ['a', 'b', 'c']) cache.set(resource(ENDPOINT, name, `${name}${big}`))
  const client = new SotwBench(cache)
  const names = ['a', 'b', 'c']
  const first = given(client.request({ names }))
  const second = given(client.ack(first, names))
  const third = given(client.ack(second, names))
  assert.deepEqual([first, second, third].map(namesIn), [['a'], ['b'], ['c']])
  assert.equal(client.ack(third, names), undefined)
})

const API_LISTENER = resource(LISTENER, 'for-grpc', '\x9a\x01\x00')

test('X-24: an API listener is for those who ask for it by name, and not part of everything', () => {
  const cache = new LinearCache(LISTENER)
  cache.set(resource(LISTENER, 'front', ''))
  cache.set(API_LISTENER)
  const envoy = new SotwBench(cache)
  const first = given(envoy.request({}))
  assert.deepEqual(namesIn(first), ['front'])
  const byName = new SotwBench(cache)
  assert.deepEqual(namesIn(given(byName.request({ names: ['for-grpc'] }))), ['for-grpc'])
  const both = new SotwBench(cache)
  assert.deepEqual(namesIn(given(both.request({ names: ['*', 'for-grpc'] }))), ['for-grpc', 'front'])
  assert.equal(envoy.ack(first, []), undefined)
  cache.delete('for-grpc')
  assert.equal(envoy.next(), undefined)
})
