import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeaseKey } from '../../../eds-server/src/registry/changes.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import type { PreservationState } from '../../../eds-server/src/registry/self-preservation.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { record, SECRET } from '../../world/records.ts'

const INTERVAL_MS = 5000

/** So many instances spread over so many services, of which those for whom `beats` says so beat every 5 s. */
class Fleet {
  readonly clock = new ManualClock()
  readonly changes: PreservationState[] = []
  readonly registry = new Registry({
    clock: this.clock,
    store: memoryStore,
    preservationChanged: state => this.changes.push(state),
  })
  readonly removed: { id: string; at: number }[] = []
  readonly lapsed = new Set<string>()
  beats: (index: number) => boolean = () => true
  readonly #keys: { service: string; id: string; key: LeaseKey }[] = []

  constructor(size: number, services = 1) {
    for (let i = 0; i < size; i++) {
      const service = `s${i % services}`
      const id = `i${i}`
      const said = record({ service, instanceId: id, port: 1 + i })
      const { incarnation } = this.registry.register(said, { secret: SECRET }).instance
      this.#keys.push({ service, id, key: { incarnation, secret: SECRET } })
    }
    this.registry.on(({ type, instance }) => {
      if (type === 'expired') this.removed.push({ id: instance.instanceId, at: this.clock.now() })
      if (type === 'lapsed') this.lapsed.add(instance.instanceId)
    })
  }

  run(ms: number): void {
    const perStep = 100
    for (let passed = 0; passed < ms; passed += perStep) {
      this.clock.advance(perStep)
      const turn = Math.floor(this.clock.now() / perStep) % (INTERVAL_MS / perStep)
      for (const [i, { service, id, key }] of this.#keys.entries()) {
        if (i % (INTERVAL_MS / perStep) !== turn || !this.beats(i)) continue
        if (this.registry.get(service, id)) this.registry.heartbeat(service, id, key)
      }
    }
  }

  get left(): number {
    return this.registry.instanceCount
  }
}

test('F06: when all heartbeats are lost nobody is removed or marked, however long; then all goes on by itself', () => {
  const fleet = new Fleet(100, 5)
  fleet.run(30_000)
  fleet.beats = () => false
  fleet.run(600_000)
  assert.deepEqual([fleet.left, fleet.lapsed.size], [100, 0])
  const { frozen, reason, expected, renewed, releasesInMs } = fleet.registry.preservation.state()
  assert.deepEqual([frozen, expected, renewed, releasesInMs], [true, 100, 0, undefined])
  assert.match(reason ?? '', /of 100 leases/)

  fleet.beats = () => true
  fleet.run(6000)
  const recovering = fleet.registry.preservation.state()
  assert.ok(recovering.frozen && recovering.releasesInMs !== undefined && recovering.releasesInMs <= 10_000)
  fleet.run(11_000)
  assert.equal(fleet.registry.preservation.state().frozen, false)
  assert.deepEqual(
    fleet.changes.map(({ frozen: is }) => is),
    [true, false],
  )
  assert.deepEqual([fleet.left, fleet.lapsed.size], [100, 0])
})

test('F06: when 14 % are silent they go, at most 15 % in any minute and service by service within its budget', () => {
  const fleet = new Fleet(100, 5)
  fleet.run(30_000)
  fleet.beats = i => i >= 14
  fleet.run(200_000)
  assert.equal(fleet.left, 86)
  assert.equal(fleet.changes.length, 0)
  for (const { at } of fleet.removed) {
    const within = (ms: number) => fleet.removed.filter(other => other.at >= at && other.at < at + ms).length
    assert.ok(within(60_000) <= 15)
  }
})

test('F06: two waves over many services share the budget of the whole registry', () => {
  const fleet = new Fleet(100, 20)
  fleet.run(30_000)
  fleet.beats = i => i >= 12
  fleet.run(20_000)
  fleet.beats = i => i >= 22
  fleet.run(200_000)
  assert.equal(fleet.left, 78)
  assert.equal(fleet.changes.length, 0)
  for (const { at } of fleet.removed) {
    assert.ok(fleet.removed.filter(other => other.at >= at && other.at < at + 60_000).length <= 15)
  }
})

test('the way out is no time limit: silence that lasts keeps the freeze, too few recovering do not end it', () => {
  const fleet = new Fleet(20)
  fleet.run(20_000)
  fleet.beats = i => i >= 5
  fleet.run(120_000)
  assert.equal(fleet.registry.preservation.state().frozen, true)
  assert.equal(fleet.left, 20)
  fleet.beats = i => i >= 2
  fleet.run(30_000)
  assert.equal(fleet.registry.preservation.state().frozen, false)
})

test('a lease that is late after a freeze is marked first, for as long as any other, and removed after that', () => {
  const fleet = new Fleet(20)
  fleet.run(20_000)
  fleet.beats = () => false
  fleet.run(60_000)
  fleet.beats = i => i > 0
  fleet.run(20_000)
  assert.deepEqual([[...fleet.lapsed], fleet.removed.length], [['i0'], 0])
  fleet.run(20_000)
  assert.deepEqual(
    fleet.removed.map(({ id }) => id),
    ['i0'],
  )
})

test('F32: of three, one goes at once and a second within ten seconds; F42: never the last', () => {
  const fleet = new Fleet(3)
  fleet.run(20_000)
  fleet.beats = i => i === 2
  fleet.run(45_000)
  assert.equal(fleet.left, 1)
  const [first, second] = fleet.removed
  assert.ok(first && second && second.at - first.at >= 10_000 && second.at - first.at <= 11_500)
  fleet.beats = () => false
  fleet.run(3_600_000)
  assert.equal(fleet.left, 1)
  assert.equal(fleet.registry.instances('s0')?.[0]?.lapsed, true)
})

test('F42: a wholly dead service stays as it is, and its dead go once somebody registers anew', () => {
  const fleet = new Fleet(3)
  fleet.beats = () => false
  fleet.run(600_000)
  assert.deepEqual([fleet.left, fleet.lapsed.size], [3, 3])
  fleet.registry.register(record({ service: 's0', instanceId: 'new', port: 99 }), undefined)
  fleet.run(30_000)
  assert.equal(fleet.left, 1)
})

test('what is said counts during a freeze: deregistering, draining, a status', () => {
  const fleet = new Fleet(20)
  fleet.registry.preservation.setOverride('on')
  const { registry } = fleet
  registry.removeAt('s0', '127.0.0.1', 1)
  const { incarnation } = registry.get('s0', 'i1') ?? assert.fail()
  registry.drain('s0', 'i1', { incarnation, secret: SECRET })
  assert.deepEqual([fleet.left, registry.get('s0', 'i1')?.status], [19, 'draining'])
})

test("an operator's off lets silence count and lifts the budgets, on freezes at once, auto decides again", () => {
  const fleet = new Fleet(20)
  fleet.run(20_000)
  fleet.beats = i => i === 0
  fleet.run(60_000)
  assert.equal(fleet.left, 20)
  fleet.registry.preservation.setOverride('off')
  fleet.run(2000)
  assert.equal(fleet.lapsed.size, 19)
  fleet.run(17_000)
  assert.equal(fleet.left, 1)
  fleet.registry.preservation.setOverride('on')
  assert.equal(fleet.registry.preservation.state().reason, 'an operator said so')
  fleet.registry.preservation.setOverride('auto')
  fleet.run(12_000)
  assert.equal(fleet.registry.preservation.state().frozen, false)
})

test('F08: a minute in which the process stood still removes and marks nobody, and lengthens no lease', () => {
  const fleet = new Fleet(100)
  fleet.run(30_000)
  fleet.clock.stall(60_000)
  fleet.run(60_000)
  assert.deepEqual([fleet.left, fleet.lapsed.size, fleet.changes.length], [100, 0, 0])
})

test('F41: every tenth heartbeat lost at random, retries counted in, removes nobody in an hour', () => {
  const fleet = new Fleet(30)
  let seed = 7
  fleet.beats = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647 > 0.1
  }
  fleet.run(3_600_000)
  assert.equal(fleet.removed.length, 0)
})
