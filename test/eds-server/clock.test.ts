import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../eds-server/src/clock.ts'

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
