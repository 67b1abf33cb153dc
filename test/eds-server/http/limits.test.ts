import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SECRET } from '../../world/records.ts'
import { startApi } from './api.ts'
import { conversation } from './raw.ts'

const PATH = '/v1/services/myservice/instances/one'
const JSON_TYPE = { 'content-type': 'application/json' }
const HOST = 'host: localhost\r\n'

test('a body above the limit is refused before it is read (F52)', async () => {
  await using api = await startApi()
  const large = { port: 1, metadata: { a: 'x'.repeat(16 * 1024) } }
  for (const [method, path] of [
    ['PUT', PATH],
    ['PUT', `${PATH}/heartbeat`],
    ['PATCH', PATH],
  ] as const) {
    const { status, body } = await api.call(method, path, { body: large })
    assert.deepEqual([status, body.code, body.field], [413, 'ROLLCALL_BODY_TOO_LARGE', 'body'])
  }
  const head = `PUT ${PATH} HTTP/1.1\r\n${HOST}content-type: application/json\r\n`
  const announced = await conversation(api.port, `${head}content-length: 1073741824\r\n\r\n`, '{"port":')
  assert.match(announced, /^HTTP\/1\.1 413 /)
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  const chunked = await conversation(
    api.port,
    `${head}transfer-encoding: chunked\r\n\r\n`,
    chunk,
    chunk,
    chunk,
  )
  assert.match(chunked, /^HTTP\/1\.1 413 /)
  assert.deepEqual([...api.registry.services()], [])
})

test('a batch may have 512 KiB and no more', async () => {
  await using api = await startApi()
  const heartbeat = {
    service: 's'.repeat(200),
    instanceId: 'i'.repeat(100),
    incarnation: 1,
    leaseSecret: SECRET,
  }
  const fits = { heartbeats: Array.from({ length: 1_000 }, () => heartbeat) }
  assert.ok(JSON.stringify(fits).length > 400_000)
  assert.equal((await api.call('POST', '/v1/heartbeats', { body: fits })).status, 200)
  const { status } = await api.call('POST', '/v1/heartbeats', {
    text: ' '.repeat(512 * 1024 + 1),
    headers: JSON_TYPE,
  })
  assert.equal(status, 413)
})

test('only JSON that is not compressed is read', async () => {
  await using api = await startApi()
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'nonsense',
    'application/json5',
  ]
  for (const type of types) {
    const { status, body } = await api.call('PUT', PATH, {
      text: '{"port":1}',
      headers: { 'content-type': type },
    })
    assert.deepEqual(
      [status, body.code, body.field],
      [415, 'ROLLCALL_MEDIA_TYPE_UNSUPPORTED', 'content-type'],
      type,
    )
  }
  for (const encoding of ['gzip', 'br', 'x']) {
    const { status, body } = await api.call('PUT', PATH, {
      text: gzipSync('{"port":1}'),
      headers: { ...JSON_TYPE, 'content-encoding': encoding },
    })
    assert.deepEqual([status, body.field, body.value], [415, 'content-encoding', encoding])
  }
  const plain = await api.call('PUT', PATH, {
    text: '{"port":1}',
    headers: { 'content-type': 'application/json; charset=utf-8', 'content-encoding': 'identity' },
  })
  assert.equal(plain.status, 201)
})

const POISON = [
  '{"port":1,"__proto__":{"polluted":true}}',
  '{"port":1,"metadata":{"__proto__":{"polluted":true}}}',
  '{"port":1,"metadata":{"__proto__":"x"}}',
  '{"port":1,"constructor":{"prototype":{"polluted":true}}}',
  '{"port":1,"\\u005f_proto__":{"polluted":true}}',
  '{"port":1,"metadata":{"constructor":{"prototype":{"polluted":true}}}}',
  '{"port":1,"locality":{"__proto__":{"zone":"x"}}}',
]

test('bodies that would poison a prototype are refused', async () => {
  await using api = await startApi()
  for (const text of POISON) {
    const { status, body } = await api.call('PUT', PATH, { text, headers: JSON_TYPE })
    assert.deepEqual([status, body.code, body.field], [400, 'ROLLCALL_INVALID_ARGUMENT', 'body'], text)
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  assert.deepEqual([...api.registry.services()], [])
})

test('text that is not JSON in UTF-8 is refused', async () => {
  await using api = await startApi()
  const wrong: (string | Uint8Array)[] = [
    '{',
    '{"port":1}}',
    "{'port':1}",
    'undefined',
    '{"port":1,}',
    ' ',
    Buffer.from('{"port":1,"metadata":{"a":"\xff"}}', 'latin1'),
    '['.repeat(16_000),
    `${'['.repeat(8_000)}${']'.repeat(8_000)}`,
    `{"port":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}}`,
    `{"x":${'['.repeat(8_000)}${']'.repeat(8_000)}}`,
  ]
  for (const text of wrong) {
    const { status, body } = await api.call('PUT', PATH, { text, headers: JSON_TYPE })
    assert.deepEqual([status, body.code], [400, 'ROLLCALL_INVALID_ARGUMENT'], String(text).slice(0, 40))
  }
  const deep = `{"x":${'['.repeat(250_000)}${']'.repeat(250_000)}}`
  assert.equal((await api.call('POST', '/v1/heartbeats', { text: deep, headers: JSON_TYPE })).status, 400)
  assert.deepEqual([...api.registry.services()], [])
})

test('a port of 1e400 is no number, and one of 8.081e3 is', async () => {
  await using api = await startApi()
  assert.equal((await api.call('PUT', PATH, { text: '{"port":1e400}', headers: JSON_TYPE })).status, 400)
  const metadata = { text: '{"port":1,"metadata":{"a":1e400}}', headers: JSON_TYPE }
  assert.equal((await api.call('PUT', PATH, metadata)).status, 400)
  assert.equal((await api.call('PUT', PATH, { text: '{"port":8.081e3}', headers: JSON_TYPE })).status, 201)
})

/** Requests that are not well-formed HTTP, and the status that they get. */
const MALFORMED: [string, string, number, string][] = [
  [
    'a header block above 16 KiB',
    `GET /healthz HTTP/1.1\r\n${HOST}a: ${'x'.repeat(17_000)}\r\n\r\n`,
    431,
    'ROLLCALL_HEADERS_TOO_LARGE',
  ],
  [
    'a URL above 16 KiB',
    `GET /${'x'.repeat(17_000)} HTTP/1.1\r\n${HOST}\r\n`,
    431,
    'ROLLCALL_HEADERS_TOO_LARGE',
  ],
  ['no HTTP at all', 'EHLO there\r\n\r\n', 400, 'ROLLCALL_INVALID_ARGUMENT'],
  [
    'two lengths',
    `PUT ${PATH} HTTP/1.1\r\n${HOST}content-length: 1\r\ncontent-length: 2\r\n\r\n`,
    400,
    'ROLLCALL_INVALID_ARGUMENT',
  ],
  [
    'length and chunks',
    `PUT ${PATH} HTTP/1.1\r\n${HOST}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`,
    400,
    'ROLLCALL_INVALID_ARGUMENT',
  ],
  [
    'a control character in a header (F56)',
    `GET /healthz HTTP/1.1\r\n${HOST}a: b\u0000c\r\n\r\n`,
    400,
    'ROLLCALL_INVALID_ARGUMENT',
  ],
]

for (const [what, bytes, status, code] of MALFORMED) {
  test(`${what}: ${status}, a problem document, and the connection ends`, async () => {
    await using api = await startApi()
    const answer = await conversation(api.port, bytes)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    assert.ok(head.startsWith(`HTTP/1.1 ${status} `), head)
    assert.match(head, /content-type: application\/problem\+json/)
    assert.match(head, /x-content-type-options: nosniff/)
    assert.equal(JSON.parse(body).code, code)
  })
}

test('the timeouts and the number of connections are limited', async () => {
  await using api = await startApi()
  const { server } = api.app
  assert.deepEqual(
    [server.headersTimeout, server.requestTimeout, server.keepAliveTimeout, server.maxConnections],
    [10_000, 15_000, 65_000, 10_000],
  )
})

test('a request that does not arrive is answered 408 and its connection is freed (F54)', async () => {
  await using api = await startApi()
  api.app.server.headersTimeout = 50
  const answer = await conversation(api.port, 'GET /healthz HTTP/1.1\r\nhost: loc')
  assert.match(answer, /^HTTP\/1\.1 408 /)
  assert.match(answer, /ROLLCALL_REQUEST_TIMEOUT/)
})
