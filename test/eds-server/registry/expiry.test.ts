import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Expiring, ExpiryWheel } from '../../../eds-server/src/registry/expiry.ts'
import { ManualClock } from '../../world/manual-clock.ts'

class Entry implements Expiring {
  slot = -1
  at: number
  constructor(at: number) {
    this.at = at
  }
  deadline(): number {
    return this.at
  }
}

test('an entry is due after its deadline and not before, however often it moved', () => {
  const moves = fc.array(
    fc.record({ wait: fc.integer({ min: 0, max: 900 }), ttl: fc.integer({ min: 1, max: 30_000 }) }),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  fc.assert(
    fc.property(moves, steps => {
      const clock = new ManualClock()
      let dueAt: number | undefined
      const wheel = new ExpiryWheel<Entry>(clock, () => {
        dueAt ??= wheel.now()
      })
      const entry = new Entry(wheel.now())
      for (const { wait, ttl } of steps) {
        if (dueAt !== undefined) break
        entry.at = wheel.now() + ttl
        wheel.schedule(entry)
        clock.advance(wait)
      }
      clock.advance(60_000)
      assert.ok(dueAt !== undefined, 'never due')
      assert.ok(dueAt >= entry.at, `due at ${dueAt}, before its deadline ${entry.at}`)
      assert.ok(dueAt <= entry.at + 300, `due at ${dueAt}, long after its deadline ${entry.at}`)
    }),
    { numRuns: 300 },
  )
})

test('a cancelled entry is never due, and one that moves to never is dropped', () => {
  const clock = new ManualClock()
  const due: Entry[] = []
  const wheel = new ExpiryWheel<Entry>(clock, entry => due.push(entry))
  const cancelled = new Entry(wheel.now() + 1000)
  const immortal = new Entry(wheel.now() + 1000)
  wheel.schedule(cancelled)
  wheel.schedule(immortal)
  wheel.cancel(cancelled)
  immortal.at = Number.POSITIVE_INFINITY
  clock.advance(100_000)
  assert.deepEqual(due, [])
  assert.equal(clock.pendingTimers, 0, 'a wheel without entries sets no timer')
})

test('a wheel that stood empty for a day is as exact as a new one', () => {
  const clock = new ManualClock()
  let dueAt = 0
  const wheel = new ExpiryWheel<Entry>(clock, () => {
    dueAt = wheel.now()
  })
  clock.advance(86_400_000)
  const entry = new Entry(wheel.now() + 5000)
  wheel.schedule(entry)
  clock.advance(10_000)
  assert.ok(dueAt >= entry.at && dueAt <= entry.at + 300)
})

test('100,000 entries share one timer', () => {
  const clock = new ManualClock()
  const wheel = new ExpiryWheel<Entry>(clock, () => assert.fail('nothing is due'))
  for (let i = 0; i < 100_000; i++) wheel.schedule(new Entry(wheel.now() + 15_000))
  assert.equal(clock.pendingTimers, 1)
  clock.advance(14_000)
  assert.equal(clock.pendingTimers, 1)
  wheel.close()
  assert.equal(clock.pendingTimers, 0)
})
