import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import { asRollcallError, problemOf } from '../../../eds-server/src/http/problem.ts'

test('a problem repeats scalars only: a composite may be deeper than a serialiser can go', () => {
  for (const value of [0, '', false, null]) {
    assert.equal(problemOf(new RollcallError('ROLLCALL_INVALID_ARGUMENT', '', { value })).value, value)
  }
  for (const value of [undefined, {}, [1], Symbol('s'), 1n]) {
    assert.ok(!('value' in problemOf(new RollcallError('ROLLCALL_INVALID_ARGUMENT', '', { value }))))
  }
})

test('whatever is thrown becomes an error of ours, and what is not known says nothing of itself', () => {
  const known = new RollcallError('ROLLCALL_NOT_READY', 'x')
  assert.equal(asRollcallError(known), known)
  for (const thrown of [
    new TypeError('innards'),
    'innards',
    undefined,
    null,
    { statusCode: 503, message: 'innards' },
  ]) {
    const error = asRollcallError(thrown)
    assert.equal(error.code, 'ROLLCALL_INTERNAL')
    assert.doesNotMatch(error.message, /innards/)
    assert.equal(error.cause, thrown)
  }
})

test('a client error of the framework that is new to us is a client error', () => {
  const thrown = Object.assign(new Error('too early'), { statusCode: 425 })
  assert.deepEqual(
    [asRollcallError(thrown).code, asRollcallError(thrown).message],
    ['ROLLCALL_INVALID_ARGUMENT', 'too early'],
  )
})
