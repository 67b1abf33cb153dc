import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause, systemClock } from '../../eds-server/src/clock.ts'
import { ManualClock } from '../world/manual-clock.ts'

test('a timer of 0 ms that another timer sets does not wait for the next event', async () => {
  const nextEvent = setTimeout(() => undefined, 10_000)
  const startedAt = performance.now()
  await new Promise<void>(resolve => {
    // After a while, so that nothing of the test's own start is left to come.
    setTimeout(() => systemClock.setTimer(0, resolve), 500)
  })
  clearTimeout(nextEvent)
  assert.ok(performance.now() - startedAt < 5000)
})

test('what is deferred comes after what runs now and before the next event, unless it is cancelled', async () => {
  const order: string[] = []
  systemClock.defer(() => order.push('never')).cancel()
  systemClock.defer(() => order.push('deferred'))
  order.push('now')
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(order, ['now', 'deferred'])
})

test('a pause ends with its time or its signal, and leaves no timer', async () => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const timed = pause(clock, 1000, abort.signal)
  clock.advance(1000)
  await timed
  const aborted = pause(clock, 1000, abort.signal)
  abort.abort()
  await aborted
  await pause(clock, 1000, new AbortController().signal, abort.signal)
  await pause(clock, 0, new AbortController().signal)
  assert.equal(clock.pendingTimers, 0)
})
