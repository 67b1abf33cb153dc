/** One client's traffic waits for its clusters: which streams are one client, and what opens the gate. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET } from '../../../eds-server/src/xds/resource-type.ts'
import { cluster } from '../../conformance/resources.ts'
import { type BenchClient, SnapshotBench, snapshotOf } from './snapshot-bench.ts'
import { resource } from './watch-bench.ts'

const FIRST = snapshotOf([CLUSTER, 'x=1'], [LISTENER, 'l=1'], [ROUTE, 'r=1'], [SECRET, 's=1'])
const SECOND = snapshotOf([CLUSTER, 'x=2'], [LISTENER, 'l=2'], [ROUTE, 'r=2'], [SECRET, 's=2'])

interface Typed {
  readonly clusters: BenchClient
  readonly routes: BenchClient
}

/** One client over typed streams, up to date. */
function typed(bench: SnapshotBench, options: { id?: string; isDelta?: boolean; peer?: string } = {}): Typed {
  const { peer = '127.0.0.1', ...rest } = options
  const clusters = bench.open({ ...rest, type: CLUSTER, peer: `${peer}:1` })
  const routes = bench.open({ ...rest, type: ROUTE, peer: `${peer}:2` })
  clusters.ask(CLUSTER)
  clusters.ack()
  routes.ask(ROUTE, ['r'])
  routes.ack()
  clusters.told()
  routes.told()
  return { clusters, routes }
}

for (const isDelta of [false, true]) {
  const form = isDelta ? 'delta' : 'sotw'

  test(`typed ${form}: routes wait for the ACK of the clusters on another stream, whichever is first`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', FIRST)
    const { clusters, routes } = typed(bench, { isDelta })
    bench.snapshots.set('', SECOND)
    assert.deepEqual([clusters.told(), routes.told()], [['clusters x=2'], []])
    clusters.ack()
    assert.deepEqual(routes.told(), ['routes r=2'])
  })

  test(`typed ${form}: a refusal of the clusters opens the gate, and so does the end of their stream`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', FIRST)
    const [refusing, closing] = [typed(bench, { isDelta }), typed(bench, { isDelta, id: 'node-2' })]
    bench.snapshots.set('', SECOND)
    refusing.clusters.nack(CLUSTER)
    assert.deepEqual(refusing.routes.told(), ['routes r=2'])
    assert.deepEqual(closing.routes.told(), [])
    closing.clusters.close()
    assert.deepEqual(closing.routes.told(), ['routes r=2'])
  })

  test(`typed ${form}: another node, or the same at another address, does not wait`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', FIRST)
    typed(bench, { isDelta })
    const others = [typed(bench, { isDelta, id: 'node-2' }), typed(bench, { isDelta, peer: '[::1]' })]
    bench.snapshots.set('', SECOND)
    for (const { clusters, routes } of others) {
      clusters.ack()
      assert.deepEqual(routes.told(), ['routes r=2'])
    }
  })

  test(`aggregated ${form}: the gate opens after 20 s, and closes again for what comes after the ACK`, () => {
    const bench = new SnapshotBench()
    bench.snapshots.set('', FIRST)
    const client = bench.open({ isDelta })
    client.ask(CLUSTER)
    client.ack()
    client.ask(LISTENER)
    client.ask(ROUTE, ['r'])
    client.ask(SECRET, ['s'])
    client.ack()
    client.told()
    bench.snapshots.set('', SECOND)
    assert.deepEqual(client.told(), ['clusters x=2', 'secrets s=2'], 'clusters may wait for secrets')
    bench.clock.advance(19_999)
    assert.deepEqual(client.told(), [])
    bench.clock.advance(1)
    assert.deepEqual(client.told(), ['listeners l=2', 'routes r=2'])
    client.ack()
    bench.snapshots.set('', FIRST)
    assert.deepEqual(client.told(), ['clusters x=1', 'secrets s=1'])
    client.ack(CLUSTER)
    assert.deepEqual(client.told(), ['listeners l=1', 'routes r=1'])
  })
}

for (const isDelta of [false, true]) {
  const form = isDelta ? 'delta' : 'sotw'
  const changed = (seconds: number) =>
    new Map([[CLUSTER.typeUrl, new Map([['c', cluster('c', { serviceName: 'a', seconds })]])]])
  const withRoute = (seconds: number) => {
    const { resources } = snapshotOf([ROUTE, `r=${seconds}`])
    return { resources: new Map([...changed(seconds), ...resources]) }
  }

  test(`typed ${form}: routes wait until the endpoints of changed clusters are accepted, at most 5 s`, () => {
    const endpoints = new LinearCache(ENDPOINT)
    endpoints.set(resource(ENDPOINT, 'a', 'a=1'))
    const bench = new SnapshotBench({ shared: [endpoints] })
    bench.snapshots.set('', withRoute(1))
    const { clusters, routes } = typed(bench, { isDelta })
    const first = bench.open({ isDelta, type: ENDPOINT, peer: '127.0.0.1:3' })
    first.ask(ENDPOINT, ['a'])
    bench.snapshots.set('', withRoute(2))
    clusters.ack()
    // Sent before the cluster was: it does not make that warm.
    first.ack()
    assert.deepEqual(routes.told(), [])
    const second = bench.open({ isDelta, type: ENDPOINT, peer: '127.0.0.1:4' })
    second.ask(ENDPOINT, ['a'])
    assert.deepEqual(routes.told(), [])
    second.ack()
    assert.deepEqual(routes.told(), ['routes r=2'])
    routes.ack()
    bench.snapshots.set('', withRoute(3))
    clusters.ack()
    bench.clock.advance(4_999)
    assert.deepEqual(routes.told(), [])
    bench.clock.advance(1)
    assert.deepEqual(routes.told(), ['routes r=3'], 'nobody asked')
  })
}

test('endpoints never wait for the ACK of the clusters, which waits for them (X-33)', () => {
  const endpoints = new LinearCache(ENDPOINT)
  const bench = new SnapshotBench({ shared: [endpoints] })
  bench.snapshots.set('', FIRST)
  const client = bench.open()
  client.ask(CLUSTER)
  client.ack()
  client.ask(ENDPOINT, ['a'])
  bench.snapshots.set('', SECOND)
  endpoints.set(resource(ENDPOINT, 'a', 'a=1'))
  assert.deepEqual(client.told(), ['clusters x=1', 'clusters x=2', 'endpoints a=1'])
})

test('gates are kept for as long as a stream of the client is open', () => {
  const bench = new SnapshotBench()
  bench.snapshots.set('', FIRST)
  const gates = bench.context.gates
  const { clusters, routes } = typed(bench)
  const gate = gates.of('node-1', '127.0.0.1:3')
  assert.equal(gates.of('node-1', '127.0.0.1:4'), gate)
  clusters.close()
  routes.close()
  assert.notEqual(gates.of('node-1', '127.0.0.1:5'), gate)
})
