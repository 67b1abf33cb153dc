import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import type { RegistryEvent } from '../../../eds-server/src/registry/changes.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore, type Store, type StoredInstance } from '../../../eds-server/src/registry/store.ts'
import type { Tombstone } from '../../../eds-server/src/registry/tombstones.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { OTHER_SECRET, record, SECRET } from '../../world/records.ts'

const TTL_MS = 15_000

interface World {
  clock: ManualClock
  registry: Registry
  /** `type instanceId` of each event since the last call. */
  events(): string[]
}

function world(store: Store = memoryStore): World {
  const clock = new ManualClock()
  const registry = new Registry({ clock, store })
  const seen: RegistryEvent[] = []
  registry.on(event => seen.push(event))
  return {
    clock,
    registry,
    events: () => seen.splice(0).map(event => `${event.type} ${event.instance.instanceId}`),
  }
}

function refusal(code: string): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof RollcallError, String(error))
    assert.equal(error.code, code)
    return true
  }
}

test('a heartbeat that changes nothing visible emits nothing and sets no timer', () => {
  const { clock, registry, events } = world()
  const { instance } = registry.register(record(), { secret: SECRET })
  events()
  const timers = clock.pendingTimers
  for (let i = 0; i < 100; i++) {
    clock.advance(10)
    registry.heartbeat('myservice', 'one', { incarnation: instance.incarnation, secret: SECRET })
  }
  assert.deepEqual(events(), [])
  assert.equal(clock.pendingTimers, timers)
  assert.equal(registry.get('myservice', 'one'), instance)
})

test('a lease lapses after its time to live and ends after twice that', () => {
  const { clock, registry, events } = world()
  registry.register(record({ instanceId: 'other', port: 1 }), undefined)
  registry.register(record(), { secret: SECRET })
  clock.advance(TTL_MS - 1)
  assert.deepEqual(events(), ['registered other', 'registered one'])
  clock.advance(300)
  assert.deepEqual(events(), ['lapsed one'])
  assert.equal(registry.get('myservice', 'one')?.lapsed, true)
  clock.advance(TTL_MS - 500)
  assert.deepEqual(events(), [])
  clock.advance(500)
  assert.deepEqual(events(), ['expired one'])
  assert.equal(registry.get('myservice', 'one'), undefined)
})

test('a heartbeat brings a lapsed lease back, and it lapses again from there', () => {
  const { clock, registry, events } = world()
  const { instance } = registry.register(record(), { secret: SECRET })
  clock.advance(TTL_MS + 5000)
  events()
  registry.heartbeat('myservice', 'one', { incarnation: instance.incarnation, secret: SECRET })
  assert.deepEqual(events(), ['renewed one'])
  clock.advance(TTL_MS - 1)
  assert.deepEqual(events(), [])
  clock.advance(300)
  assert.deepEqual(events(), ['lapsed one'])
})

test('each lease has its own time to live, and a shorter one takes effect at once', () => {
  const { clock, registry, events } = world()
  registry.register(record({ instanceId: 'slow' }), { secret: SECRET, ttlMs: 60_000 })
  registry.register(record({ instanceId: 'quick', port: 2 }), { secret: SECRET, ttlMs: 1000 })
  events()
  clock.advance(1200)
  assert.deepEqual(events(), ['lapsed quick'])
  registry.register(record({ instanceId: 'slow' }), { secret: SECRET, ttlMs: 2000 })
  assert.deepEqual(events(), ['updated slow'])
  clock.advance(2200)
  assert.deepEqual(events(), ['expired quick', 'lapsed slow'])
})

test('an instance without a lease stays until it is removed', () => {
  const { clock, registry, events } = world()
  registry.register(record(), undefined)
  clock.advance(1_000_000)
  assert.deepEqual(events(), ['registered one'])
  registry.removeAt('myservice', '127.0.0.1', 8081)
  assert.deepEqual(events(), ['deregistered one'])
})

test('F08 F09: time in which the process stood still is given to every lease', () => {
  const { clock, registry, events } = world()
  registry.register(record(), { secret: SECRET })
  clock.advance(5000)
  events()
  clock.stall(60_000)
  assert.deepEqual(events(), [])
  clock.advance(TTL_MS - 5000 - 500)
  assert.deepEqual(events(), [])
  clock.advance(1000)
  assert.deepEqual(events(), ['lapsed one'])
})

test('F09: a stall shorter than the shortest lease is given to it, too: its heartbeats wait unread', () => {
  const { clock, registry, events } = world()
  registry.register(record(), { secret: SECRET, ttlMs: 1000 })
  clock.advance(400)
  events()
  clock.stall(900)
  assert.deepEqual(events(), [])
  clock.advance(300)
  assert.deepEqual(events(), [])
  clock.advance(600)
  assert.deepEqual(events(), ['lapsed one'])
})

test('F10: a wall clock that jumps moves no deadline', () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const { clock, registry, events } = world()
    registry.register(record(), { secret: SECRET })
    clock.jumpWall(jumpMs)
    clock.advance(TTL_MS - 500)
    assert.deepEqual(events(), ['registered one'])
    clock.advance(1000)
    assert.deepEqual(events(), ['lapsed one'])
  }
})

test('F36: the same registration again is the same life and emits nothing', () => {
  const { registry, events } = world()
  const first = registry.register(record(), { secret: SECRET })
  events()
  const again = registry.register(record({ metadata: {} }), { secret: SECRET })
  assert.equal(again.created, false)
  assert.equal(again.instance.incarnation, first.instance.incarnation)
  assert.deepEqual(events(), [])
})

test('an upsert changes the record and keeps the incarnation', () => {
  const { registry, events } = world()
  const first = registry.register(record(), { secret: SECRET })
  const second = registry.register(record({ weight: 7, port: 9000 }), { secret: SECRET })
  assert.equal(second.instance.incarnation, first.instance.incarnation)
  assert.deepEqual(events(), ['registered one', 'updated one'])
  assert.equal(registry.at('myservice', '127.0.0.1', 8081), undefined)
  assert.equal(registry.at('myservice', '127.0.0.1', 9000)?.weight, 7)
})

test('F37: a live lease is not given to who lacks its secret', () => {
  const { registry, events } = world()
  registry.register(record(), { secret: SECRET })
  events()
  for (const lease of [{ secret: OTHER_SECRET }, {}, undefined]) {
    assert.throws(
      () => registry.register(record({ weight: 9 }), lease),
      refusal('ROLLCALL_INSTANCE_CONFLICT'),
    )
  }
  assert.deepEqual(events(), [])
  assert.equal(registry.get('myservice', 'one')?.weight, 1)
})

test('a lapsed lease protects its id no longer: a new life takes it, the old one is fenced off', () => {
  const { clock, registry, events } = world()
  const old = registry.register(record(), { secret: SECRET })
  clock.advance(TTL_MS + 1000)
  events()
  const young = registry.register(record(), { secret: OTHER_SECRET })
  assert.ok(young.instance.incarnation > old.instance.incarnation)
  assert.deepEqual(events(), ['superseded one', 'registered one'])
  const oldKey = { incarnation: old.instance.incarnation, secret: SECRET }
  assert.throws(
    () => registry.heartbeat('myservice', 'one', oldKey),
    refusal('ROLLCALL_INCARNATION_SUPERSEDED'),
  )
  assert.throws(
    () => registry.deregister('myservice', 'one', oldKey),
    refusal('ROLLCALL_INCARNATION_SUPERSEDED'),
  )
  assert.ok(registry.get('myservice', 'one'))
})

test('F38: two ids at one address: the newest life wins and the other is void', () => {
  const { registry, events } = world()
  const old = registry.register(record({ instanceId: 'old' }), { secret: SECRET })
  registry.register(record({ instanceId: 'new' }), { secret: OTHER_SECRET })
  assert.deepEqual(events(), ['registered old', 'superseded old', 'registered new'])
  assert.equal(registry.instances('myservice')?.length, 1)
  const key = { incarnation: old.instance.incarnation, secret: SECRET }
  assert.throws(() => registry.heartbeat('myservice', 'old', key), refusal('ROLLCALL_INCARNATION_SUPERSEDED'))
})

test('F38: moving to an address that another instance holds supersedes that one too', () => {
  const { registry, events } = world()
  registry.register(record({ instanceId: 'a', port: 1 }), { secret: SECRET })
  registry.register(record({ instanceId: 'b', port: 2 }), { secret: SECRET })
  events()
  registry.register(record({ instanceId: 'a', port: 2 }), { secret: SECRET })
  assert.deepEqual(events(), ['superseded b', 'updated a'])
  assert.equal(registry.instances('myservice')?.length, 1)
})

test('F40: what ended stays ended, and the answer says why', () => {
  const { clock, registry } = world()
  const lease = { secret: SECRET }
  const gone = registry.register(record({ instanceId: 'gone', port: 1 }), lease).instance
  const late = registry.register(record({ instanceId: 'late', port: 2 }), lease).instance
  registry.register(record({ instanceId: 'other', port: 3 }), undefined)
  registry.deregister('myservice', 'gone', { incarnation: gone.incarnation, secret: SECRET })
  clock.advance(2 * TTL_MS + 1000)
  const beat = (id: string, incarnation: number) => () =>
    registry.heartbeat('myservice', id, { incarnation, secret: SECRET })
  assert.throws(beat('gone', gone.incarnation), refusal('ROLLCALL_INSTANCE_DEREGISTERED'))
  assert.throws(beat('late', late.incarnation), refusal('ROLLCALL_LEASE_EXPIRED'))
  assert.throws(beat('late', late.incarnation - 5), refusal('ROLLCALL_INCARNATION_SUPERSEDED'))
  assert.throws(beat('late', late.incarnation + 1000), refusal('ROLLCALL_INSTANCE_UNKNOWN'))
  assert.throws(beat('never', late.incarnation + 1000), refusal('ROLLCALL_INSTANCE_UNKNOWN'))
  assert.equal(registry.instances('myservice')?.length, 1)
})

test('a wrong or missing secret changes nothing', () => {
  const { registry, events } = world()
  const { incarnation } = registry.register(record(), { secret: SECRET }).instance
  events()
  const wrong = { incarnation, secret: OTHER_SECRET }
  const code = refusal('ROLLCALL_LEASE_SECRET_INVALID')
  assert.throws(() => registry.heartbeat('myservice', 'one', wrong, { status: 'unhealthy' }), code)
  for (const key of [wrong, undefined]) {
    assert.throws(() => registry.patch('myservice', 'one', key, { weight: 5 }), code)
    assert.throws(() => registry.drain('myservice', 'one', key), code)
    assert.throws(() => registry.deregister('myservice', 'one', key), code)
  }
  assert.deepEqual(events(), [])
})

test('a heartbeat reports a status, but does not undo a drain; registering again does', () => {
  const { registry, events } = world()
  const { incarnation } = registry.register(record({ status: 'starting' }), { secret: SECRET }).instance
  const key = { incarnation, secret: SECRET }
  registry.heartbeat('myservice', 'one', key, { status: 'healthy' })
  registry.drain('myservice', 'one', key)
  registry.heartbeat('myservice', 'one', key, { status: 'healthy' })
  assert.equal(registry.get('myservice', 'one')?.status, 'draining')
  assert.deepEqual(events(), ['registered one', 'updated one', 'draining one'])
  registry.register(record(), { secret: SECRET })
  assert.equal(registry.get('myservice', 'one')?.status, 'healthy')
})

test('F46: stalled is told when it begins and when it ends, is not stored, and changes nothing else', () => {
  const stored: StoredInstance[] = []
  const { registry, events } = world({
    ...memoryStore,
    put: held => stored.push({ instance: held.instance, secretHash: held.secretHash }),
  })
  const { incarnation } = registry.register(record({ status: 'unhealthy' }), { secret: SECRET }).instance
  const beat = (stalled?: boolean) =>
    registry.heartbeat('myservice', 'one', { incarnation, secret: SECRET }, { stalled })
  events()
  assert.equal(beat(false).stalled, false)
  for (const _ of [1, 2, 3]) assert.equal(beat(true).stalled, true)
  assert.deepEqual(events(), ['stalled one'])
  assert.equal(registry.get('myservice', 'one')?.status, 'unhealthy')
  beat()
  beat()
  assert.deepEqual(events(), ['resumed one'])
  assert.equal(stored.length, 1, 'the registration')
  beat(true)
  const again = registry.register(record({ status: 'unhealthy' }), { secret: SECRET })
  assert.equal(again.instance.stalled, false, 'who registers is awake')
})

test('the limits refuse one more, and take it again when there is room', () => {
  const limits = { services: 2, instancesPerService: 2, instances: 3 }
  const registry = new Registry({ clock: new ManualClock(), store: memoryStore, limits })
  const add = (service: string, port: number) => () =>
    registry.register(record({ service, port, instanceId: `${port}` }), { secret: SECRET })
  add('a', 1)()
  add('a', 2)()
  assert.throws(add('a', 3), refusal('ROLLCALL_LIMIT_REACHED'))
  add('b', 1)()
  assert.throws(add('b', 2), refusal('ROLLCALL_LIMIT_REACHED'))
  assert.throws(add('c', 1), refusal('ROLLCALL_LIMIT_REACHED'))
  registry.removeAt('a', '127.0.0.1', 2)
  add('b', 2)()
})

test('a registry starts from its store with fresh leases, and goes on numbering above it', () => {
  const stored = new Map<string, StoredInstance>()
  const services = new Set(['gone'])
  const stones = new Map<string, Tombstone>()
  let lastIncarnation = 5e15
  const store: Store = {
    load: () => ({
      lastIncarnation,
      instances: [...stored.values()],
      services: [...services],
      tombstones: [...stones.values()],
      isComplete: true,
    }),
    know: service => void services.add(service),
    forget: service => void services.delete(service),
    put: entry => {
      stored.set(entry.instance.instanceId, { instance: entry.instance, secretHash: entry.secretHash })
      lastIncarnation = entry.instance.incarnation
    },
    bury: (instance, stone) => {
      stored.delete(instance.instanceId)
      stones.set(instance.instanceId, stone)
    },
    dropStone: stone => void stones.delete(stone.instanceId),
    flushed: () => undefined,
    trouble: () => undefined,
    close: () => stored.clear(),
  }
  const first = world(store)
  const kept = first.registry.register(record({ instanceId: 'kept', port: 1 }), { secret: SECRET }).instance
  const { instance: removed } = first.registry.register(record({ instanceId: 'removed', port: 2 }), {
    secret: SECRET,
  })
  first.registry.removeAt('myservice', '127.0.0.1', 2)

  first.registry.declare('declared')
  first.registry.declare('forgotten')
  first.registry.forget('forgotten')

  const second = world(store)
  assert.deepEqual(second.registry.instances('gone'), [], 'known, and empty')
  assert.deepEqual(second.registry.instances('declared'), [])
  assert.equal(second.registry.instances('forgotten'), undefined)
  second.clock.advance(TTL_MS - 500)
  const key = { incarnation: kept.incarnation, secret: SECRET }
  assert.equal(second.registry.heartbeat('myservice', 'kept', key).lapsed, false)
  assert.throws(
    () => second.registry.heartbeat('myservice', 'removed', { ...key, incarnation: removed.incarnation }),
    refusal('ROLLCALL_INSTANCE_DEREGISTERED'),
  )
  const next = second.registry.register(record({ instanceId: 'next', port: 3 }), { secret: SECRET }).instance
  assert.ok(next.incarnation > kept.incarnation)
})
