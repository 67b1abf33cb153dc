import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../../eds-server/src/xds/admission.ts'
import { ManualClock } from '../../world/manual-clock.ts'

/** Work that takes this long. */
function working(clock: ManualClock, ms: number, done: number[], id: number): () => void {
  return () => {
    clock.stallOnly(ms)
    done.push(id)
  }
}

test('F11: a herd is admitted in order, a few milliseconds of it at a time', () => {
  const clock = new ManualClock()
  const admission = new Admission(clock)
  const done: number[] = []
  for (let i = 0; i < 100; i++) admission.enter(working(clock, 1, done, i))
  assert.equal(done.length, 5, 'the first turn')
  const turns: number[] = []
  while (admission.size > 0) {
    const before = done.length
    clock.fireNext()
    turns.push(done.length - before)
  }
  assert.deepEqual(
    done,
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.ok(Math.max(...turns) <= 5, String(turns))
})

test('F11: a single client waits for nothing, and one that leaves the queue is not admitted', () => {
  const clock = new ManualClock()
  const admission = new Admission(clock)
  const done: number[] = []
  admission.enter(working(clock, 10, done, 1))
  assert.deepEqual(done, [1])
  const leave = admission.enter(working(clock, 1, done, 2))
  admission.enter(working(clock, 1, done, 3))
  leave()
  clock.advance(1)
  assert.deepEqual(done, [1, 3])
})
