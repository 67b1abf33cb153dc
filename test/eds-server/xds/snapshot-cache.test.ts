/** Snapshots of groups of nodes: who gets what, what is sent when they change, and when what they lack is removed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { groupOf } from '../../../eds-server/src/xds/node-grouping.ts'
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  ROUTE,
  SCOPED_ROUTE,
  SECRET,
} from '../../../eds-server/src/xds/resource-type.ts'
import { NO_RESOURCES } from '../../../eds-server/src/xds/snapshot.ts'
import { type BenchClient, SnapshotBench, snapshotOf } from './snapshot-bench.ts'
import { resource } from './watch-bench.ts'

const X = snapshotOf([CLUSTER, 'x'], [LISTENER, 'l'], [ROUTE, 'r=x'])
const Y = snapshotOf([CLUSTER, 'y'], [LISTENER, 'l'], [ROUTE, 'r=y'])

/** An aggregated client that has all of the snapshot. */
function connected(bench: SnapshotBench, options: Parameters<SnapshotBench['open']>[0] = {}): BenchClient {
  const client = bench.open(options)
  client.ask(CLUSTER)
  client.ack()
  client.ask(LISTENER)
  client.ask(ROUTE, ['r'])
  client.ack()
  client.told()
  return client
}

for (const isDelta of [false, true]) {
  const form = isDelta ? 'delta' : 'sotw'

  test(`${form}: before a snapshot is set nobody is told anything; an empty one is an answer (X-40, X-68)`, () => {
    const bench = new SnapshotBench()
    const client = bench.open({ isDelta })
    for (const type of [CLUSTER, LISTENER, SCOPED_ROUTE]) client.ask(type)
    client.ask(SECRET, ['s'])
    assert.deepEqual(client.told(), [])
    bench.snapshots.set('', NO_RESOURCES)
    client.ack()
    const expected = isDelta
      ? ['clusters', 'listeners', 'scoped-routes', 'secrets -s']
      : ['clusters', 'listeners', 'scoped-routes']
    assert.deepEqual(client.told().sort(), expected)
  })

  test(`${form}: a client with a past is told nothing while it is held (X-40)`, () => {
    const held = { is: true }
    const bench = new SnapshotBench({ hold: version => held.is && version !== '' })
    bench.snapshots.set('', snapshotOf([CLUSTER, 'x']))
    const past = isDelta ? { initial_resource_versions: [{ key: 'old', value: '1' }] } : { version_info: '1' }
    const client = bench.open({ isDelta })
    client.ask(CLUSTER, [], past)
    assert.deepEqual(client.told(), isDelta ? ['clusters x'] : [])
    held.is = false
    bench.snapshots.release()
    client.ack()
    assert.deepEqual(client.told(), isDelta ? ['clusters -old'] : ['clusters x'])
  })

  test(`${form}: an empty beginning takes nothing from a client with a past; what is removed later does (X-40)`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', NO_RESOURCES)
    const past = isDelta ? { initial_resource_versions: [{ key: 'old', value: '1' }] } : { version_info: '1' }
    const client = bench.open({ isDelta })
    client.ask(LISTENER, [], past)
    assert.deepEqual(client.told(), isDelta ? ['listeners'] : [])
    client.ack()
    bench.snapshots.set('', snapshotOf([LISTENER, 'l']))
    assert.deepEqual(client.told(), [isDelta ? 'listeners l -old' : 'listeners l'])
    client.ack()
    bench.snapshots.set('', NO_RESOURCES)
    assert.deepEqual(client.told(), [isDelta ? 'listeners -l' : 'listeners'])
    const returning = bench.open({ isDelta, id: 'node-2' })
    returning.ask(LISTENER, [], past)
    assert.deepEqual(returning.told(), [isDelta ? 'listeners -old' : 'listeners'])
  })

  test(`${form}: clusters that are withheld because there are none hold no listener up (F18)`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', snapshotOf([LISTENER, 'l']))
    const past = isDelta ? { initial_resource_versions: [{ key: 'old', value: '1' }] } : { version_info: '1' }
    const client = bench.open({ isDelta })
    client.ask(CLUSTER, [], past)
    client.ack()
    client.ask(LISTENER)
    assert.deepEqual(client.told(), isDelta ? ['clusters', 'listeners l'] : ['listeners l'])
  })

  test(`${form}: an equal snapshot sends nothing and keeps the resources (X-21, X-62)`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const client = connected(bench, { isDelta })
    const caches = bench.snapshots.cachesFor({ id: '', cluster: '' })
    const before = caches.get(CLUSTER.typeUrl)?.get('x')
    bench.snapshots.set('', snapshotOf([CLUSTER, 'x'], [LISTENER, 'l'], [ROUTE, 'r=x']))
    assert.deepEqual(client.told(), [])
    assert.equal(caches.get(CLUSTER.typeUrl)?.get('x'), before)
  })

  test(`${form}: what is new is told before what is gone, and that only after the ACKs (X-32)`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const client = connected(bench, { isDelta })
    bench.snapshots.set('', Y)
    assert.deepEqual(client.told(), [isDelta ? 'clusters y' : 'clusters x y'])
    await bench.pass(5_000)
    assert.deepEqual(client.told(), [], 'the routes wait for the ACK of the clusters')
    client.ack(CLUSTER)
    assert.deepEqual(client.told(), ['routes r=y'])
    await bench.pass(5_000)
    assert.deepEqual(client.told(), [], 'nothing is removed before the ACK of the routes')
    client.ack()
    await bench.pass(999)
    assert.deepEqual(client.told(), [])
    await bench.pass(1)
    assert.deepEqual(client.told(), [isDelta ? 'clusters -x' : 'clusters y'])
  })

  test(`${form}: what comes back before it is removed is never removed`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const client = connected(bench, { isDelta })
    bench.snapshots.set('', Y)
    bench.snapshots.set('', snapshotOf([CLUSTER, 'x', 'y'], [LISTENER, 'l'], [ROUTE, 'r=y']))
    client.ack()
    client.told()
    await bench.pass(60_000)
    assert.deepEqual(client.told(), [])
  })

  test(`${form}: a client that does not answer delays a removal for 30 s`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const [client, stuck] = [connected(bench, { isDelta }), connected(bench, { isDelta, id: 'stuck' })]
    bench.snapshots.set('', Y)
    client.ack()
    assert.deepEqual(
      client.told(),
      [isDelta ? 'clusters y' : 'clusters x y', 'routes r=y'],
      'it waits for nobody',
    )
    await bench.pass(29_999)
    assert.deepEqual(client.told(), [])
    await bench.pass(1)
    assert.deepEqual(client.told(), [isDelta ? 'clusters -x' : 'clusters y'])
    assert.deepEqual(stuck.told().length, 2)
  })

  test(`${form}: nothing is removed while a client refuses what is new (X-15)`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const [client, refusing] = [connected(bench, { isDelta }), connected(bench, { isDelta, id: 'refusing' })]
    bench.snapshots.set('', Y)
    client.ack()
    refusing.ack(CLUSTER)
    refusing.nack(ROUTE)
    client.told()
    for (let minute = 0; minute < 10; minute += 1) await bench.pass(60_000)
    assert.deepEqual(client.told(), [])
    refusing.close()
    await bench.pass(1000)
    await bench.pass(30_000)
    assert.deepEqual(client.told(), [isDelta ? 'clusters -x' : 'clusters y'])
  })

  test(`${form}: a client whose stream broke is waited for until it is back or given up (X-10)`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const [client, broken] = [connected(bench, { isDelta }), connected(bench, { isDelta, id: 'broken' })]
    bench.snapshots.set('', Y)
    client.ack()
    client.told()
    broken.break()
    await bench.pass(5_000)
    assert.deepEqual(client.told(), [])
    await bench.pass(1_000)
    await bench.pass(1_000)
    assert.deepEqual(client.told(), [isDelta ? 'clusters -x' : 'clusters y'])
  })

  test(`${form}: a group gets a snapshot of its own, and loses it, while its clients are connected`, async () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', X)
    const [front, other] = [connected(bench, { isDelta }), connected(bench, { isDelta, cluster: 'other' })]
    bench.snapshots.set('front', Y)
    front.ack()
    await bench.pass(1000)
    const there = isDelta
      ? ['clusters y', 'routes r=y', 'clusters -x']
      : ['clusters x y', 'routes r=y', 'clusters y']
    assert.deepEqual(front.told(), there)
    assert.deepEqual(connected(bench, { isDelta, id: 'late' }).told(), [])
    front.ack()
    bench.snapshots.clear('front')
    front.ack()
    const back = isDelta ? ['clusters x', 'routes r=x'] : ['clusters x y', 'routes r=x']
    assert.deepEqual(front.told(), back)
    assert.deepEqual(other.told(), [])
    bench.snapshots.set('', snapshotOf([CLUSTER, 'x', 'z'], [LISTENER, 'l'], [ROUTE, 'r=x']))
    assert.equal(front.told().length, 1, 'it follows the common snapshot')
    front.close()
  })
}

test('groups without a snapshot of their own share the caches of all; an emptied one is forgotten', () => {
  const { snapshots } = new SnapshotBench()
  const cachesOf = (cluster: string) => snapshots.cachesFor({ id: 'n', cluster })
  snapshots.set('', X)
  assert.equal(cachesOf('__proto__'), cachesOf('constructor'))
  snapshots.set('__proto__', Y)
  assert.notEqual(cachesOf('__proto__'), cachesOf('constructor'))
  snapshots.clear('__proto__')
  assert.equal(cachesOf('__proto__'), cachesOf(''))
})

test('the group is decided by id, cluster or a key of the metadata; a node that says nothing is in none', () => {
  const fleets: Record<string, string> = { fleet: 'f' }
  const node = { id: 'i', cluster: 'c', metadata: (key: string) => fleets[key] }
  assert.equal(groupOf('id', node), 'i')
  assert.equal(groupOf('cluster', node), 'c')
  assert.equal(groupOf('metadata:fleet', node), 'f')
  assert.equal(groupOf('metadata:other', node), '')
  assert.equal(groupOf('metadata:fleet', { id: 'i', cluster: 'c' }), '')
})

test('endpoints of a snapshot lie over the shared ones, also for those who watch already', async () => {
  const now = { timeoutMs: 0, signal: AbortSignal.abort() }
  const shared = new LinearCache(ENDPOINT)
  shared.set(resource(ENDPOINT, 'a', 'a=shared'))
  const bench = new SnapshotBench({ shared: [shared] })
  bench.snapshots.set('', NO_RESOURCES)
  const client = bench.open({ isDelta: true })
  client.ask(ENDPOINT, ['a', 'b'])
  client.ack()
  assert.deepEqual(client.told(), ['endpoints a=shared -b'])
  bench.snapshots.set('', snapshotOf([ENDPOINT, 'a=own', 'b=own']))
  client.ack()
  assert.deepEqual(client.told(), ['endpoints a=own b=own'])
  shared.set(resource(ENDPOINT, 'a', 'a=hidden'))
  client.ack()
  assert.deepEqual(client.told(), [])
  assert.deepEqual(await shared.acked('a', { timeoutMs: 0 }), { subscribers: 1, acked: 1, pending: [] })
  bench.snapshots.set('', snapshotOf([ENDPOINT, 'a=own again', 'b=own']))
  shared.set(resource(ENDPOINT, 'a', 'a=hidden again'))
  assert.equal((await shared.acked('a', now)).acked, 1, 'nobody waits for what nobody is sent')
  client.ack()
  assert.deepEqual(client.told(), ['endpoints a=own again'])
  bench.snapshots.set('', NO_RESOURCES)
  await bench.pass(1000)
  client.ack()
  assert.deepEqual(client.told(), ['endpoints a=hidden again -b'])
  shared.set(resource(ENDPOINT, 'a', 'a=new'))
  assert.equal((await shared.acked('a', now)).acked, 0, 'sent and not ACKed')
  const late = shared.acked('a', { timeoutMs: 5000 })
  client.ack()
  assert.deepEqual(await late, { subscribers: 1, acked: 1, pending: [] })
})

test('a client that knows that there is nothing is answered by a server that has nothing', () => {
  const bench = new SnapshotBench()
  bench.snapshots.set('', NO_RESOURCES)
  const first = bench.open()
  first.ask(LISTENER)
  first.ack()
  const [version] = Array.from(bench.context.status.nodes(), ({ types }) => types[0]?.version)
  const returning = bench.open({ id: 'node-2' })
  returning.ask(LISTENER, [], { version_info: version })
  assert.deepEqual(returning.told(), ['listeners'])
})
