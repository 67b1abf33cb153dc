import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WarmUp } from '../../../eds-server/src/registry/warm-up.ts'
import { ManualClock } from '../../world/manual-clock.ts'

const TTL_MS = 15_000

function warmUp(
  stored: number,
  isComplete: boolean,
): { clock: ManualClock; gate: WarmUp; warmed: () => number } {
  const clock = new ManualClock()
  const gate = new WarmUp({ clock, ttlMs: TTL_MS, stored, isComplete })
  let count = 0
  gate.onWarm(() => {
    count += 1
  })
  return { clock, gate, warmed: () => count }
}

test('F02: without a store every instance has two intervals to register again; a client without a past need not wait', () => {
  const { clock, gate, warmed } = warmUp(0, false)
  clock.advance(4000)
  assert.deepEqual([gate.holds('v1'), gate.holds('')], [true, false])
  assert.equal(gate.state().remainingMs, 6000)
  assert.match(gate.state().reason ?? '', /not known/)
  clock.advance(5999)
  assert.equal(gate.isWarm, false)
  clock.advance(1)
  assert.deepEqual([gate.isWarm, gate.holds('v1'), warmed()], [true, false, 1])
})

test('F02: the time of the instances begins when they can reach the registry', () => {
  const { clock, gate } = warmUp(0, false)
  clock.advance(9000)
  gate.reachable()
  clock.advance(9999)
  assert.equal(gate.isWarm, false)
  clock.advance(1)
  assert.equal(gate.isWarm, true)
})

test('F02: while instances come, there is one more interval for the others, until two leases have passed', () => {
  const { clock, gate } = warmUp(0, false)
  clock.advance(9000)
  gate.arrived()
  clock.advance(4999)
  assert.equal(gate.isWarm, false)
  clock.advance(1)
  assert.equal(gate.isWarm, true)

  const busy = warmUp(0, false)
  for (let i = 0; i < 8; i++) {
    busy.clock.advance(4000)
    busy.gate.arrived()
  }
  assert.deepEqual([busy.gate.isWarm, busy.clock.pendingTimers], [true, 0])
})

test('a store that holds no lease is warm at once', () => {
  const { gate, warmed } = warmUp(0, true)
  assert.deepEqual([gate.isWarm, warmed()], [true, 1])
})

test('F01: stored instances: warm when 85 % have been heard of, or when their leases would have ended', () => {
  const some = warmUp(20, true)
  for (let i = 0; i < 16; i++) some.gate.confirmed()
  assert.equal(some.gate.isWarm, false)
  assert.match(some.gate.state().reason ?? '', /16 of 20 .* 17 are awaited/)
  some.gate.confirmed()
  some.gate.confirmed()
  assert.deepEqual([some.gate.isWarm, some.warmed(), some.clock.pendingTimers], [true, 1, 0])

  const none = warmUp(20, true)
  none.clock.advance(2 * TTL_MS - 1)
  assert.equal(none.gate.isWarm, false)
  none.clock.advance(1)
  assert.equal(none.gate.isWarm, true)
})

test('F27: what comes from an older generation may be incomplete: confirmations alone do not end it', () => {
  const { clock, gate } = warmUp(2, false)
  gate.confirmed()
  gate.confirmed()
  assert.equal(gate.isWarm, false)
  clock.advance(2 * TTL_MS)
  assert.equal(gate.isWarm, true)
})
