import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT } from '../../../eds-server/src/xds/resource-type.ts'
import type { Watcher } from '../../../eds-server/src/xds/watcher.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { DeltaBench, given, resource, SotwBench } from './watch-bench.ts'

const LATE = { node: 'node-1', cluster: 'front' }

function filled(): { cache: LinearCache; clock: ManualClock } {
  const clock = new ManualClock()
  const cache = new LinearCache(ENDPOINT, { clock })
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  return { cache, clock }
}

function counting(): Watcher & { changes: string[] } {
  const changes: string[] = []
  return {
    node: '',
    cluster: '',
    changes,
    changed: names => changes.push(...names),
    released: () => undefined,
    renewalDue: () => undefined,
    ackedRevision: () => -1,
    pendingState: () => 'NOT_SENT',
  }
}

test('a change touches only those who watch the name, each once', () => {
  const { cache } = filled()
  const [named, both, other, all] = [counting(), counting(), counting(), counting()]
  cache.watch('a', named)
  cache.watch('a', both)
  cache.watch('*', both)
  cache.watch('b', other)
  cache.watch('*', all)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  cache.delete('a')
  cache.delete('a')
  assert.deepEqual(
    [named, both, other, all].map(({ changes }) => changes),
    [['a', 'a'], ['a', 'a'], [], ['a', 'a']],
  )
})

test('an equal version takes no revision; each real change takes a higher one', () => {
  const { cache } = filled()
  const revisions = [cache.revision]
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  revisions.push(cache.revision)
  cache.set(resource(ENDPOINT, 'b', 'v1'))
  revisions.push(cache.revision)
  cache.delete('b')
  revisions.push(cache.revision)
  assert.deepEqual(revisions, [1, 1, 2, 3])
  assert.deepEqual([cache.revisionOf('a'), cache.revisionOf('never')], [1, 0])
})

test('acked: nobody subscribes, so everybody has it', async () => {
  const { cache, clock } = filled()
  assert.deepEqual(await cache.acked('a', { timeoutMs: 1000 }), { subscribers: 0, acked: 0, pending: [] })
  assert.equal(clock.pendingTimers, 0)
})

test('acked: resolves with the last ACK, and its timer is gone', async () => {
  const { cache, clock } = filled()
  const [one, two] = [new SotwBench(cache), new DeltaBench(cache)]
  const first = given(one.request({ names: ['a'] }))
  const second = given(two.request({ subscribe: ['a'] }))
  let isDone = false
  const report = cache.acked('a', { timeoutMs: 1000 }).then(value => {
    isDone = true
    return value
  })
  one.ack(first, ['a'])
  await Promise.resolve()
  assert.deepEqual([isDone, clock.pendingTimers], [false, 1])
  two.ack(second)
  assert.deepEqual(await report, { subscribers: 2, acked: 2, pending: [] })
  assert.equal(clock.pendingTimers, 0)
})

test('acked: an ACK of older content is not enough, one of newer content is', async () => {
  const { cache, clock } = filled()
  const client = new SotwBench(cache)
  const old = given(client.request({ names: ['a'] }))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const report = cache.acked('a', { timeoutMs: 1000 })
  cache.set(resource(ENDPOINT, 'a', 'v3'))
  const newer = given(client.ack(old, ['a']))
  assert.equal(clock.pendingTimers, 1)
  client.ack(newer, ['a'])
  assert.equal((await report).acked, 1)
})

test('acked: content that changed and changed back while it was under way counts', async () => {
  const { cache } = filled()
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  const report = cache.acked('a', { timeoutMs: 1000 })
  assert.equal(client.ack(first, ['a']), undefined)
  assert.deepEqual(await report, { subscribers: 1, acked: 1, pending: [] })
})

test('acked: at the deadline each laggard is named with its state', async () => {
  const { cache, clock } = filled()
  const [stale, nacked, unsent, synced] = [1, 2, 3, 4].map(() => new SotwBench(cache))
  assert.ok(stale && nacked && unsent && synced)
  stale.request({ names: ['a'] })
  nacked.nack(given(nacked.request({ names: ['a'] })), ['a'])
  unsent.watch.request({
    names: ['a'],
    version: '',
    nonce: '',
    typeUrl: '',
    node: undefined,
    error: undefined,
  })
  synced.ack(given(synced.request({ names: ['a'] })), ['a'])
  const report = cache.acked('a', { timeoutMs: 1000 })
  clock.advance(999)
  assert.equal(clock.pendingTimers, 1)
  clock.advance(1)
  assert.deepEqual(await report, {
    subscribers: 4,
    acked: 1,
    pending: [
      { ...LATE, state: 'STALE' },
      { ...LATE, state: 'NACKED' },
      { ...LATE, state: 'NOT_SENT' },
    ],
  })
})

test('acked: a NACK is not the end, since a newer version may be accepted', async () => {
  const { cache } = filled()
  const client = new SotwBench(cache)
  const report = cache.acked('a', { timeoutMs: 1000 })
  const waiting = cache.acked('a', { timeoutMs: 1000 })
  assert.equal((await report).subscribers, 0)
  client.nack(given(client.request({ names: ['a'] })), ['a'])
  const late = cache.acked('a', { timeoutMs: 1000 })
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  client.ack(given(client.next()), ['a'])
  assert.deepEqual([(await waiting).subscribers, (await late).acked], [0, 1])
})

test('acked: a stream that closes or unsubscribes stops counting, one that joins counts', async () => {
  const { cache } = filled()
  const [closing, leaving, joining] = [new SotwBench(cache), new SotwBench(cache), new SotwBench(cache)]
  closing.request({ names: ['a'] })
  const sent = given(leaving.request({ names: ['a'] }))
  const report = cache.acked('a', { timeoutMs: 1000 })
  const first = given(joining.request({ names: ['a'] }))
  closing.watch.close()
  leaving.ack(sent, [])
  joining.ack(first, ['a'])
  assert.deepEqual(await report, { subscribers: 1, acked: 1, pending: [] })
})

test('acked: an abort ends the wait with the report so far', async () => {
  const { cache, clock } = filled()
  new SotwBench(cache).request({ names: ['a'] })
  const abort = new AbortController()
  const report = cache.acked('a', { timeoutMs: 1000, signal: abort.signal })
  abort.abort()
  assert.deepEqual((await report).pending, [{ ...LATE, state: 'STALE' }])
  assert.equal(clock.pendingTimers, 0)
  assert.equal((await cache.acked('a', { timeoutMs: 1000, signal: abort.signal })).acked, 0)
})

test('acked: a deletion is ACKed by those who can be told of it', async () => {
  const clock = new ManualClock()
  const cache = new LinearCache(CLUSTER, { clock })
  cache.set(resource(CLUSTER, 'a', 'v1'))
  const [sotw, delta] = [new SotwBench(cache), new DeltaBench(cache)]
  sotw.ack(given(sotw.request({})), [])
  delta.ack(given(delta.request({})))
  cache.delete('a')
  const report = cache.acked('a', { timeoutMs: 1000 })
  sotw.ack(given(sotw.next()), [])
  assert.equal(clock.pendingTimers, 1)
  delta.ack(given(delta.next()))
  assert.deepEqual(await report, { subscribers: 2, acked: 2, pending: [] })
})

test('acked: full state that was ACKed says nothing of a name that is asked for later', async () => {
  const clock = new ManualClock()
  const cache = new LinearCache(CLUSTER, { clock })
  cache.set(resource(CLUSTER, 'a', 'v1'))
  cache.set(resource(CLUSTER, 'b', 'v1'))
  const client = new SotwBench(cache)
  const first = given(client.request({ names: ['a'] }))
  client.request({ names: ['a', 'b'] })
  const second = given(client.ack(first, ['a', 'b']))
  const report = cache.acked('b', { timeoutMs: 1000 })
  assert.equal(clock.pendingTimers, 1)
  client.ack(second, ['a', 'b'])
  assert.equal((await report).acked, 1)
})

test('nothing is kept of names that nobody watches and that are gone', () => {
  const { cache } = filled()
  const client = new SotwBench(cache)
  client.request({ names: ['a'] })
  cache.delete('a')
  assert.notEqual(cache.revisionOf('a'), 0)
  client.watch.close()
  assert.deepEqual([cache.revisionOf('a'), cache.isWatched('a')], [0, false])
})
