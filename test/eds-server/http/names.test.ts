import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDuration } from '../../../eds-server/src/duration.ts'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import {
  isLeaseSecret,
  parseInstanceId,
  parseMetadata,
  parseServiceName,
} from '../../../eds-server/src/http/names.ts'

const HOSTILE = [
  '',
  '.',
  '-a',
  'a-',
  'a.',
  '_a',
  'repo',
  'Repo',
  'constructor',
  'prototype',
  '__proto__',
  '../../etc',
  '..%2f',
  '%2e%2e%2f',
  '*',
  '/*',
  'a/b',
  'a\\b',
  'a%b',
  'a b',
  'a\u0000',
  'a\r\nb',
  'a\n',
  'xdstp://x',
  'é',
  'e\u0301',
  '\u212a', // the Kelvin sign, whose lower case is an ASCII k
  'a\u200bb',
  'a\u202eb',
  '\ud800',
  'x'.repeat(254),
  'x'.repeat(65_536),
]

for (const name of HOSTILE) {
  test(`${JSON.stringify(name.slice(0, 40))} is no service name (F57)`, () => {
    assert.throws(
      () => parseServiceName(name),
      (error: unknown) => {
        assert.ok(error instanceof RollcallError)
        assert.deepEqual([error.code, error.field], ['ROLLCALL_INVALID_ARGUMENT', 'service'])
        assert.equal(error.value, name.slice(0, 200))
        return true
      },
    )
  })
}

test('service names are kept in lower case', () => {
  assert.equal(parseServiceName('MyService.EU-1_a'), 'myservice.eu-1_a')
  for (const name of ['a', '0', 'a'.repeat(253)]) assert.equal(parseServiceName(name), name)
})

test('what passes as a service name is printable, safe in a path, and its own name', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/)), text => {
      let name: string
      try {
        name = parseServiceName(text)
      } catch {
        return
      }
      assert.match(name, /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/)
      assert.equal(encodeURIComponent(name), name)
      assert.equal(parseServiceName(name), name)
    }),
  )
})

test('instance ids: 1 to 128 of the set, and nothing that a URL folds away', () => {
  for (const id of ['a', '10.0.0.1:8081', 'fd00::1:80', 'A_b-C', '...', 'x'.repeat(128)]) {
    assert.equal(parseInstanceId(id), id)
  }
  for (const id of ['', '.', '..', 'a/b', 'a b', 'é', 'x'.repeat(129), 'a\n', '%41']) {
    assert.throws(() => parseInstanceId(id), {
      code: 'ROLLCALL_INVALID_ARGUMENT',
      field: 'instanceId',
      value: id,
    })
  }
})

test('lease secrets: 43 to 128 base64url characters', () => {
  assert.ok(
    isLeaseSecret('A'.repeat(43)) && isLeaseSecret('-_9'.repeat(40)) && isLeaseSecret('z'.repeat(128)),
  )
  for (const text of [
    'A'.repeat(42),
    'A'.repeat(129),
    `${'A'.repeat(42)}=`,
    `${'A'.repeat(43)}\n`,
    undefined,
    7,
    ['A'],
  ]) {
    assert.ok(!isLeaseSecret(text), String(text))
  }
})

test('metadata is a frozen null-prototype copy', () => {
  const metadata = parseMetadata({ version: '1', weight: 0.5, ok: false })
  assert.equal(Object.getPrototypeOf(metadata), null)
  assert.ok(Object.isFrozen(metadata))
  assert.deepEqual({ ...metadata }, { version: '1', weight: 0.5, ok: false })
})

const WRONG_METADATA: [object, string][] = [
  [JSON.parse('{"__proto__":"x"}'), 'metadata.__proto__'],
  [{ constructor: 'x' }, 'metadata.constructor'],
  [{ prototype: 'x' }, 'metadata.prototype'],
  [{ 'a b': 1 }, 'metadata.a b'],
  [{ '': 1 }, 'metadata.'],
  [{ é: 1 }, 'metadata.é'],
  [{ ['x'.repeat(64)]: 1 }, `metadata.${'x'.repeat(64)}`],
  [{ a: null }, 'metadata.a'],
  [{ a: {} }, 'metadata.a'],
  [{ a: Number.POSITIVE_INFINITY }, 'metadata.a'],
  [{ a: '\ud800' }, 'metadata.a'],
  [{ a: 'x'.repeat(4_096) }, 'metadata'],
  [{ a: 'é'.repeat(2_048) }, 'metadata'],
  [Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 1])), 'metadata'],
]

for (const [metadata, field] of WRONG_METADATA) {
  test(`metadata ${JSON.stringify(metadata).slice(0, 40)} is refused at ${field.slice(0, 30)}`, () => {
    assert.throws(() => parseMetadata({ ...metadata }), { code: 'ROLLCALL_INVALID_ARGUMENT', field })
    assert.equal(({} as { x?: unknown }).x, undefined)
  })
}

test('metadata at its limits passes', () => {
  parseMetadata(Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`k${i}`, 1])))
  parseMetadata({ a: 'x'.repeat(4_096 - '{"a":""}'.length) })
  parseMetadata({ a: '👍', ['x'.repeat(63)]: 1 })
})

test('durations', () => {
  const range = { minMs: 0, maxMs: 60_000 }
  assert.equal(parseDuration('500ms', 'timeout', range), 500)
  assert.equal(parseDuration('5s', 'timeout', range), 5_000)
  assert.equal(parseDuration('1m', 'timeout', range), 60_000)
  for (const text of [
    '',
    '5',
    's',
    '-1s',
    '1.5s',
    '61s',
    '2m',
    '1h',
    '5S',
    ' 5s',
    '5s\n',
    '9'.repeat(30).concat('ms'),
  ]) {
    assert.throws(() => parseDuration(text, 'timeout', range), {
      code: 'ROLLCALL_INVALID_ARGUMENT',
      field: 'timeout',
      value: text,
    })
  }
})
