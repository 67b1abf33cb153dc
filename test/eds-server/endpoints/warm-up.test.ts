import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WarmUp } from '../../../eds-server/src/endpoints/warm-up.ts'
import { ManualClock } from '../../world/manual-clock.ts'

test('F02: who has something to lose is held for two heartbeats, who has nothing is not', () => {
  const clock = new ManualClock()
  let ended = 0
  const warmUp = new WarmUp(clock, 15_000, () => {
    ended += 1
  })
  assert.equal(warmUp.holds(''), false)
  assert.equal(warmUp.holds('a version'), true)
  clock.advance(9999)
  assert.equal(warmUp.holds('a version'), true)
  assert.equal(ended, 0)
  clock.advance(1)
  assert.equal(warmUp.holds('a version'), false)
  clock.advance(100_000)
  assert.equal(ended, 1)
})
