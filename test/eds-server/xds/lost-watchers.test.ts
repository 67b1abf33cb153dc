/** A client whose stream broke counts until it is back and has ACKed, or until nobody can expect it any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { RETURN_MS } from '../../../eds-server/src/xds/lost-watchers.ts'
import { ENDPOINT } from '../../../eds-server/src/xds/resource-type.ts'
import type { Watcher } from '../../../eds-server/src/xds/watcher.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { DeltaBench, given, resource, SotwBench } from './watch-bench.ts'

const LOST = { node: 'node-1', cluster: 'front', state: 'DISCONNECTED' }

function filled(): { cache: LinearCache; clock: ManualClock } {
  const clock = new ManualClock()
  const cache = new LinearCache(ENDPOINT, { clock })
  cache.set(resource(ENDPOINT, 'a', 'v1'))
  return { cache, clock }
}

/** A client that has ACKed what there was of `a` when its stream broke. */
function lost(cache: LinearCache): void {
  const client = new SotwBench(cache)
  client.ack(given(client.request({ names: ['a'] })), ['a'])
  client.watch.lose()
}

test('it counts with what it had ACKed: nothing newer is taken for known', async () => {
  const { cache, clock } = filled()
  lost(cache)
  assert.deepEqual(await cache.acked('a', { timeoutMs: 1000 }), { subscribers: 1, acked: 1, pending: [] })
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const report = cache.acked('a', { timeoutMs: 1000 })
  clock.advance(1000)
  assert.deepEqual(await report, { subscribers: 1, acked: 0, pending: [LOST] })
})

test('who waits already goes on waiting, until the client is back and has ACKed', async () => {
  const { cache, clock } = filled()
  const client = new SotwBench(cache)
  client.request({ names: ['a'] })
  const report = cache.acked('a', { timeoutMs: 60_000 })
  client.watch.lose()
  const back = new SotwBench(cache)
  const answer = given(back.request({ names: ['a'], version: 'of before' }))
  assert.equal(clock.pendingTimers, 1, 'still waiting, and for nobody else')
  back.ack(answer, ['a'])
  assert.deepEqual(await report, { subscribers: 1, acked: 1, pending: [] })
  assert.equal(clock.pendingTimers, 0)
})

test('one that does not come back is given up when its back-off must be over', async () => {
  const { cache, clock } = filled()
  lost(cache)
  clock.advance(RETURN_MS / 2)
  lost(cache)
  cache.set(resource(ENDPOINT, 'a', 'v2'))
  const report = cache.acked('a', { timeoutMs: 60_000 })
  clock.advance(RETURN_MS - 1)
  assert.equal(clock.pendingTimers, 2)
  clock.advance(1)
  assert.deepEqual(await report, { subscribers: 0, acked: 0, pending: [] })
  assert.deepEqual([clock.pendingTimers, cache.isWatched('a')], [0, false])
})

test('of two under one node id that are lost, one that returns is one that is back', async () => {
  const { cache, clock } = filled()
  const clients = [new SotwBench(cache), new SotwBench(cache)]
  for (const client of clients) client.request({ names: ['a'] })
  for (const client of clients) client.watch.lose()
  const back = new SotwBench(cache)
  const answer = given(back.request({ names: ['a'] }))
  const report = cache.acked('a', { timeoutMs: 1000 })
  back.ack(answer, ['a'])
  clock.advance(1000)
  assert.deepEqual(await report, { subscribers: 2, acked: 1, pending: [LOST] })
})

test('a wildcard and its names are lost and come back as any other', async () => {
  const { cache, clock } = filled()
  const client = new DeltaBench(cache)
  client.ack(given(client.request({ subscribe: ['*', 'a'] })))
  client.watch.lose()
  cache.set(resource(ENDPOINT, 'b', 'v1'))
  const report = cache.acked('b', { timeoutMs: 60_000 })
  const back = new DeltaBench(cache)
  const answer = given(back.request({ subscribe: ['*', 'a'] }))
  back.ack(answer)
  assert.deepEqual(await report, { subscribers: 1, acked: 1, pending: [] })
  assert.equal(clock.pendingTimers, 0)
})

test('what is kept is bounded: of ever new clients the oldest are given up', async () => {
  const { cache } = filled()
  const names = Array.from({ length: 10_000 }, (_, i) => `s${i}`)
  for (let i = 0; i < 50; i++) {
    const watcher: Watcher = {
      ...{ node: `hostile-${i}`, cluster: '' },
      ...{ changed: () => undefined, released: () => undefined, renewalDue: () => undefined },
      ...{ ackedRevision: () => -1, pendingState: () => 'STALE' },
    }
    for (const name of names) cache.watch(name, watcher)
    cache.lose(names, watcher)
  }
  const { subscribers, pending } = await cache.acked('s0', { timeoutMs: 0, signal: AbortSignal.abort() })
  assert.equal(subscribers, 10)
  assert.equal(pending.at(-1)?.node, 'hostile-49')
})
