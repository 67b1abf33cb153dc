import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Delivery } from '../../../eds-server/src/endpoints/delivery.ts'
import { Publisher } from '../../../eds-server/src/endpoints/publisher.ts'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { RETURN_MS } from '../../../eds-server/src/xds/lost-watchers.ts'
import type { PendingState } from '../../../eds-server/src/xds/node-status.ts'
import { ENDPOINT } from '../../../eds-server/src/xds/resource-type.ts'
import type { Watcher } from '../../../eds-server/src/xds/watcher.ts'
import { summaryOf } from '../../world/assignments.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { record, SECRET } from '../../world/records.ts'

const SERVICE = 'myservice'

/** A subscriber that keeps every content it was offered and ACKs when told to. */
class Subscriber implements Watcher {
  readonly node: string
  readonly cluster = 'front'
  readonly seen: string[][] = []
  readonly #cache: LinearCache
  #acked = -1

  constructor(cache: LinearCache, node: string) {
    this.node = node
    this.#cache = cache
    cache.watch(SERVICE, this)
  }

  /** What a push takes, milliseconds. */
  costMs = 0
  clock: ManualClock | undefined

  renewalDue(): void {
    assert.fail('an assignment has no time to live')
  }

  changed(): void {
    this.clock?.stall(this.costMs)
    this.seen.push(summaryOf(this.#cache.get(SERVICE)))
  }

  released(): void {
    this.changed()
  }

  ack(): void {
    this.#acked = this.#cache.revisionOf(SERVICE)
    this.#cache.settled(SERVICE, this)
  }

  ackedRevision(): number {
    return this.#acked
  }

  pendingState(): PendingState {
    return 'STALE'
  }

  /** What it was offered since the last call. */
  news(): string[][] {
    return this.seen.splice(0)
  }
}

function world({ hasPast = false } = {}) {
  const clock = new ManualClock()
  const registry = new Registry({ clock, store: memoryStore })
  const demand = (service: string) => publisher.demand(service)
  const cache = new LinearCache(ENDPOINT, { demand, clock })
  const publisher = new Publisher({ clock, registry, cache })
  const delivery = new Delivery({ clock, registry, publisher, cache, hasPast })
  const register = (port: number, change = {}) =>
    registry.register(record({ instanceId: `i${port}`, port, ...change }), { secret: SECRET }).instance
  return { clock, registry, cache, publisher, delivery, register }
}

/** Lets promises that are already settled run their continuations. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** What a publication costs is known from the second one on. */
function settledWorld(costMs: number) {
  const { clock, cache, register, ...others } = world()
  const envoy = new Subscriber(cache, 'front-1')
  envoy.clock = clock
  envoy.costMs = costMs
  for (const port of [1, 2]) {
    register(port)
    clock.advance(1000)
  }
  envoy.news()
  return { clock, cache, register, envoy, ...others }
}

test('a change is published at once, and what follows together after 5 ms and twice the cost', () => {
  const { clock, envoy, register } = settledWorld(5)
  register(3)
  clock.advance(0)
  assert.equal(envoy.news()[0]?.length, 3)
  for (let port = 4; port <= 10; port++) {
    register(port)
    clock.advance(2)
  }
  assert.deepEqual(envoy.news(), [], '14 of 15 ms of rest')
  clock.advance(1)
  const [all, ...more] = envoy.news()
  assert.equal(all?.length, 10)
  assert.deepEqual(more, [])
})

test('the rest is bounded, and shortest for a service that costs nothing', () => {
  const { clock, envoy, register } = settledWorld(0)
  for (const [costMs, restMs] of [
    [0, 5],
    [1000, 5],
    [1000, 100],
  ] as const) {
    envoy.costMs = costMs
    register(3, { weight: 1 + clock.now() })
    clock.advance(0)
    assert.equal(envoy.news().length, 1)
    register(4, { weight: 1 + clock.now() })
    envoy.costMs = 0
    clock.advance(restMs - 1)
    assert.equal(envoy.news().length, 0, `${restMs} ms of rest`)
    envoy.costMs = costMs
    clock.advance(1)
    assert.equal(envoy.news().length, 1, `${restMs} ms of rest`)
    clock.advance(1000)
  }
})

test('a pause of the process during one publication is no cost of the service', () => {
  const { clock, envoy, register } = settledWorld(1)
  envoy.costMs = 50
  register(3)
  clock.advance(0)
  envoy.costMs = 1
  register(4)
  clock.advance(7)
  assert.equal(envoy.news().length, 2)
})

test('what is demanded is published within the rest', () => {
  const { clock, envoy, publisher, register } = settledWorld(1)
  register(3)
  clock.advance(0)
  register(4)
  publisher.publish(SERVICE)
  assert.equal(envoy.news().length, 2)
})

test('a service that nobody watches is built when somebody does, and not before', () => {
  const { clock, cache, register } = world()
  for (let port = 1; port <= 3; port++) register(port)
  clock.advance(1000)
  assert.equal(clock.pendingTimers, 2, 'the timers of the leases and of the warm-up, none of the publisher')
  assert.equal(cache.get(SERVICE), undefined)
  new Subscriber(cache, 'front-1')
  assert.equal(summaryOf(cache.get(SERVICE)).length, 3)
})

test('F36: what no client can see is not published', () => {
  const { clock, cache, registry, register } = world()
  const { incarnation } = register(1)
  clock.advance(100)
  const envoy = new Subscriber(cache, 'front-1')
  const before = cache.revision
  register(1)
  register(2, { status: 'starting' })
  registry.heartbeat(SERVICE, 'i1', { incarnation, secret: SECRET })
  clock.advance(100)
  assert.deepEqual(envoy.news(), [])
  assert.equal(cache.revision, before)
})

test('a removal is told as UNHEALTHY, and left out when every subscriber has ACKed that (X-50)', async () => {
  const { clock, cache, registry, register } = world()
  register(1)
  register(2)
  clock.advance(100)
  const envoys = ['front-1', 'front-2'].map(node => new Subscriber(cache, node))
  for (const envoy of envoys) envoy.ack()
  clock.advance(100)
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(0)
  assert.deepEqual(envoys[0]?.news(), [['1 UNHEALTHY', '2 HEALTHY']])
  envoys[0]?.ack()
  await turn()
  assert.deepEqual(envoys[0]?.news(), [], 'one subscriber has not ACKed yet')
  envoys[1]?.ack()
  await turn()
  assert.deepEqual(envoys[0]?.news(), [['2 HEALTHY']])
})

test('a subscriber that never ACKs holds a removal up for half a second and no longer', async () => {
  const { clock, cache, registry, register } = world()
  register(1)
  clock.advance(100)
  const silent = new Subscriber(cache, 'stopped')
  clock.advance(100)
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(499)
  await turn()
  assert.deepEqual(silent.news(), [['1 UNHEALTHY']])
  clock.advance(1)
  await turn()
  assert.deepEqual(silent.news(), [[]], 'the last one gone is an assignment without endpoints')
})

test('without subscribers a removal is one step, and an instance that was never offered is no removal', () => {
  const { clock, cache, registry, register } = world()
  register(1)
  register(2, { status: 'starting' })
  clock.advance(100)
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(100)
  const envoy = new Subscriber(cache, 'front-1')
  assert.deepEqual(summaryOf(cache.get(SERVICE)), [])
  registry.removeAt(SERVICE, '127.0.0.1', 2)
  clock.advance(100)
  assert.deepEqual(envoy.news(), [])
})

test('F38: an address that comes back while it is withdrawn is one endpoint, and a healthy one', async () => {
  const { clock, cache, registry, register } = world()
  register(1)
  clock.advance(100)
  const envoy = new Subscriber(cache, 'front-1')
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(30)
  assert.deepEqual(envoy.news(), [['1 UNHEALTHY']])
  register(1, { instanceId: 'young' })
  clock.advance(30)
  assert.deepEqual(envoy.news(), [['1 HEALTHY']])
  envoy.ack()
  await turn()
  clock.advance(1000)
  assert.deepEqual(envoy.news(), [])
})

test('a second removal at the same address waits for its own ACKs, not for those of the first', async () => {
  const { clock, cache, registry, register } = world()
  register(1)
  clock.advance(100)
  const silent = new Subscriber(cache, 'stopped')
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(100)
  register(1, { instanceId: 'young' })
  clock.advance(300)
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  clock.advance(200)
  await turn()
  assert.deepEqual(silent.news().at(-1), ['1 UNHEALTHY'], 'the first removal is overdue, the second is not')
  clock.advance(300)
  await turn()
  assert.deepEqual(silent.news().at(-1), [])
})

test('an instance that moves leaves its old address in two steps', async () => {
  const { clock, cache, register } = world()
  register(1)
  clock.advance(100)
  const envoy = new Subscriber(cache, 'front-1')
  clock.advance(100)
  register(1, { port: 9 })
  clock.advance(0)
  assert.deepEqual(envoy.news(), [['1 UNHEALTHY', '9 HEALTHY']])
  envoy.ack()
  await turn()
  assert.deepEqual(envoy.news(), [['9 HEALTHY']])
})

test('live() resolves when all have ACKed, and names who has not at its deadline', async () => {
  const { clock, cache, delivery, register } = world()
  const [quick, slow] = ['quick', 'slow'].map(node => new Subscriber(cache, node))
  register(1)
  const late = delivery.live(SERVICE, 'i1', { timeoutMs: 1000 })
  await turn()
  quick?.ack()
  clock.advance(1000)
  assert.deepEqual(await late, {
    subscribers: 2,
    acked: 1,
    pending: [{ node: 'slow', cluster: 'front', state: 'STALE' }],
  })
  const whole = delivery.live(SERVICE, 'i1', { timeoutMs: 1000 })
  await turn()
  slow?.ack()
  assert.deepEqual(await whole, { subscribers: 2, acked: 2, pending: [] })
})

test('live() of an instance that is starting waits until it is offered, or says that it is not', async () => {
  const { clock, registry, delivery, register } = world()
  const { incarnation } = register(1, { status: 'starting' })
  const waited = delivery.live(SERVICE, 'i1', { timeoutMs: 1000 })
  const refused = assert.rejects(delivery.live(SERVICE, 'i1', { timeoutMs: 10 }), error => {
    return error instanceof RollcallError && error.code === 'ROLLCALL_NOT_READY'
  })
  clock.advance(10)
  await refused
  registry.heartbeat(SERVICE, 'i1', { incarnation, secret: SECRET }, { status: 'healthy' })
  assert.deepEqual(await waited, { subscribers: 0, acked: 0, pending: [] })
  await assert.rejects(delivery.live(SERVICE, 'never', { timeoutMs: 10 }), {
    code: 'ROLLCALL_INSTANCE_UNKNOWN',
  })
})

test('F46: a stalled instance is no news to anybody', () => {
  const { clock, cache, registry, register } = world()
  const { incarnation } = register(1)
  const envoy = new Subscriber(cache, 'front-1')
  clock.advance(100)
  envoy.news()
  const timers = clock.pendingTimers
  for (const stalled of [true, false]) {
    registry.heartbeat(SERVICE, 'i1', { incarnation, secret: SECRET }, { stalled })
    assert.equal(clock.pendingTimers, timers, 'nothing is even built')
  }
  clock.advance(1000)
  assert.deepEqual(envoy.news(), [])
})

test('gone() waits for both steps of the removal', async () => {
  const { clock, cache, registry, delivery, register } = world()
  register(1)
  clock.advance(100)
  const envoy = new Subscriber(cache, 'front-1')
  registry.removeAt(SERVICE, '127.0.0.1', 1)
  let isGone = false
  const gone = delivery.gone(SERVICE, 'i1', { timeoutMs: 1000 }).then(report => {
    isGone = true
    return report
  })
  await turn()
  assert.deepEqual(envoy.news(), [['1 UNHEALTHY']])
  envoy.ack()
  await turn()
  assert.deepEqual(envoy.news(), [[]])
  assert.equal(isGone, false)
  envoy.ack()
  assert.deepEqual(await gone, { subscribers: 1, acked: 1, pending: [] })
})

test('close() leaves no timer behind', () => {
  const { clock, registry, publisher, register } = world()
  register(1)
  publisher.close()
  registry.close()
  assert.equal(clock.pendingTimers, 0)
})

test('F01: after a restart, gone and settled wait for clients of before, and say so when the time is too short', async () => {
  const { clock, delivery, register, registry } = world({ hasPast: true })
  register(8081)
  assert.equal(
    (await delivery.live('myservice', 'i8081', { timeoutMs: 0 })).incomplete,
    true,
    'told, not awaited',
  )
  const short = delivery.settled('myservice', { timeoutMs: 5000 })
  await turn()
  clock.advance(5000)
  assert.deepEqual(await short, { subscribers: 0, acked: 0, pending: [], incomplete: true })
  registry.removeAt('myservice', '127.0.0.1', 8081)
  let isDone = false
  const gone = delivery.gone('myservice', 'i8081', { timeoutMs: 5000 }).finally(() => {
    isDone = true
  })
  await turn()
  clock.advance(RETURN_MS - 5001)
  await turn()
  assert.equal(isDone, false)
  clock.advance(1)
  assert.deepEqual(await gone, { subscribers: 0, acked: 0, pending: [] })
})
