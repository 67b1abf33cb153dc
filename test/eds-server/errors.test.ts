import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_TABLE, RollcallError, shown } from '../../eds-server/src/errors.ts'
import { documentedRows } from '../world/markdown.ts'

const rows = documentedRows('errors.md')

test('docs/errors.md says of every code what the table says, and has no other', () => {
  const said = rows.map(([code, http, grpc, retry]) => ({
    code,
    http: Number(http),
    grpc: Number(grpc),
    retryable: retry === 'yes',
  }))
  const known = Object.entries(ERROR_TABLE).map(([code, { http, grpc, retryable }]) => ({
    code,
    http,
    grpc,
    retryable,
  }))
  assert.deepEqual(said, known)
})

test('docs/errors.md repeats each title and says what to do', () => {
  for (const [code, , , , text = ''] of rows) {
    const { title } = ERROR_TABLE[code as keyof typeof ERROR_TABLE]
    assert.ok(text.startsWith(`${title}. `), `${code}: ${text}`)
    assert.ok(text.length > title.length + 10, `${code} does not say what to do`)
  }
})

test('an error carries its code, field, value, cause and statuses', () => {
  const cause = new Error('why')
  const error = new RollcallError('ROLLCALL_LIMIT_REACHED', 'full', { field: 'f', value: 1, cause })
  assert.equal(error.httpStatus, 507)
  assert.equal(error.grpcStatus, 8)
  assert.equal(error.retryable, false)
  assert.deepEqual([error.field, error.value, error.cause], ['f', 1, cause])
})

test('values in messages have no raw control characters and are cut (F56)', () => {
  assert.equal(shown('a\r\nb\u0000'), '"a\\r\\nb\\u0000"')
  assert.ok(shown('x'.repeat(1_000)).length <= 201)
  assert.equal(
    new RollcallError('ROLLCALL_INTERNAL', '', { value: 'x'.repeat(1_000) }).value,
    'x'.repeat(200),
  )
})
