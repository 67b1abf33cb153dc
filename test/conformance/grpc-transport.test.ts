/** gRPC over HTTP/2 as discovery speaks it, frame by frame; and the gRPC library behind the same port. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { test } from 'node:test'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { until, within } from '../../scripts/processes/until.ts'
import { ManualClock } from '../world/manual-clock.ts'
import { RawClient } from './raw-client.ts'
import { connectTo, framed, RawCall, request } from './raw-http2.ts'
import { assignment } from './resources.ts'
import { TestServer, type TestServerOptions } from './server.ts'

const HEALTH = '/grpc.health.v1.Health/Check'

// HTTP/2 as bytes, for what no library says.
const [HEADERS, RST_STREAM, END_HEADERS_AND_STREAM] = [1, 3, 5]
/** With empty SETTINGS. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1')
/** `:method: POST` and `:scheme: http`. */
const POST_HTTP = Buffer.of(0x83, 0x86)

/** A header as HPACK has it without any compression. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value),
  ])
}

function withServer(
  title: string,
  body: (context: { server: TestServer; session: ClientHttp2Session }) => Promise<void>,
  options: TestServerOptions = {},
): void {
  test(title, async () => {
    await using server = await TestServer.start(options)
    server.endpoints.set(assignment('a', 1))
    const session = connectTo(server.port)
    try {
      await body({ server, session })
    } finally {
      session.destroy()
    }
  })
}

function ended(call: RawCall): Promise<number> {
  return within(5000, 'the call to end', call.closed)
}

withServer('a request that comes byte by byte is answered', async ({ session }) => {
  const call = new RawCall(session)
  for (const byte of request({ node: { id: 'slow' }, resource_names: ['a'] })) {
    await new Promise(resolve => call.stream.write(Buffer.of(byte), resolve))
  }
  await until('the response', () => call.responses.length === 1)
  assert.deepEqual(
    [call.headers[':status'], call.headers['content-type']],
    [constants.HTTP_STATUS_OK, 'application/grpc'],
  )
})

withServer('two requests in one DATA frame are both taken', async ({ server, session }) => {
  const call = new RawCall(session)
  call.stream.write(
    Buffer.concat([request({ resource_names: ['b'] }), request({ resource_names: ['b', 'a'] })]),
  )
  await until('the response', () => call.responses.length === 1)
  assert.ok(server.endpoints.isWatched('a') && server.endpoints.isWatched('b'))
})

withServer("X-03: a node of Envoy's size in every ACK is passed over", async ({ server, session }) => {
  const node = { id: 'big', cluster: 'front', metadata: { fields: [text('x'.repeat(61 * 1024))] } }
  const call = new RawCall(session)
  call.stream.write(request({ node, resource_names: ['a'] }))
  for (let change = 1; change <= 20; change += 1) {
    const response = await until('the response', () => call.responses[change - 1])
    const { version_info, nonce: response_nonce } = response
    call.stream.write(request({ node, resource_names: ['a'], version_info, response_nonce }))
    const report = await server.endpoints.acked('a', { timeoutMs: 5000 })
    assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
    server.endpoints.set(assignment('a', change + 1))
  }
  assert.equal(server.xds.nodes()[0]?.node, 'big')
})

function text(string_value: string): object {
  return { key: 'k', value: { string_value } }
}

withServer('X-56: a length above the limit ends the call when it is announced', async ({ session }) => {
  const call = new RawCall(session)
  call.stream.write(framed(Buffer.alloc(4 * 1024 * 1024 + 1)).subarray(0, 5))
  await until('the status', () => call.status === 8)
})

withServer('a compressed request is UNIMPLEMENTED, and the answer says what is not', async ({ session }) => {
  const call = new RawCall(session, { 'grpc-encoding': 'gzip' })
  call.stream.write(framed(Buffer.from('compressed'), 1))
  await until('the status', () => call.status === 12)
  assert.equal(call.headers['grpc-accept-encoding'], 'identity')
})

withServer('what is not gRPC is refused with HTTP 415, whatever is asked for', async ({ session }) => {
  for (const path of [{}, { ':path': HEALTH }]) {
    const call = new RawCall(session, { 'content-type': 'application/json', ...path })
    await until(
      'the answer',
      () => Number(call.headers[':status']) === constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE,
    )
  }
})

withServer('an error before any response comes in the headers alone', async ({ session }) => {
  const call = new RawCall(session)
  call.stream.end(framed(Buffer.from('0a05', 'hex')))
  assert.equal(await ended(call), constants.NGHTTP2_NO_ERROR)
  assert.deepEqual([call.headers['grpc-status'], call.trailers['grpc-status']], ['3', undefined])
  assert.match(String(call.headers['grpc-message']), /^malformed%20request/)
})

withServer('closing in the middle of a request is INVALID_ARGUMENT', async ({ session }) => {
  const call = new RawCall(session)
  call.stream.end(request({ resource_names: ['a'] }).subarray(0, -1))
  await ended(call)
  assert.equal(call.status, 3)
})

withServer('a client that keeps its side open after the status is let go', async ({ session }) => {
  const call = new RawCall(session)
  call.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => call.responses.length === 1)
  call.stream.write(request({ type_url: 'another' }))
  assert.equal(await ended(call), constants.NGHTTP2_NO_ERROR)
  assert.equal(call.trailers['grpc-status'], '3')
})

withServer('grpc-timeout is kept: DEADLINE_EXCEEDED; what is no timeout is refused', async ({ session }) => {
  const answered = new RawCall(session, { 'grpc-timeout': '300m' })
  answered.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => answered.responses.length === 1)
  await until('the deadline', () => answered.status === 4)
  const wrong = new RawCall(session, { 'grpc-timeout': 'soon' })
  await until('the status', () => wrong.status === 13)
})

withServer('a client that resets is forgotten', async ({ server, session }) => {
  const call = new RawCall(session)
  call.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => call.responses.length === 1)
  call.stream.close(constants.NGHTTP2_CANCEL)
  await until('it to be forgotten', () => server.xds.nodes().length === 0 && !server.endpoints.isWatched('a'))
})

withServer('F55: whoever opens and resets streams without end is cut off', async ({ server, session }) => {
  const bystander = new RawCall(session)
  bystander.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => bystander.responses.length === 1)
  const hostile = connectTo(server.port)
  for (let burst = 0; burst < 1000 && !hostile.destroyed; burst += 1) {
    for (let count = 0; count < 10; count += 1) {
      const call = new RawCall(hostile)
      call.stream.write(request({ resource_names: ['a'] }))
      call.stream.close(constants.NGHTTP2_CANCEL)
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  await until('the connection to end', () => hostile.destroyed)
  await until('its streams to be forgotten', () => server.xds.nodes().length === 1)
  server.endpoints.set(assignment('a', 2))
  const { version_info, nonce: response_nonce } = bystander.responses[0] ?? {}
  bystander.stream.write(request({ resource_names: ['a'], version_info, response_nonce }))
  await until('the bystander to go on', () => bystander.responses.length === 2)
})

withServer('X-05: 5,000 streams on one connection all hear of a change', async ({ server, session }) => {
  session.setMaxListeners(0)
  const calls = Array.from({ length: 5000 }, () => new RawCall(session))
  for (const call of calls) call.stream.write(request({ resource_names: ['a'] }))
  await until('all to be answered', () => calls.every(({ responses }) => responses.length === 1), {
    withinMs: 30_000,
  })
  for (const call of calls) {
    const { version_info, nonce: response_nonce } = call.responses[0] ?? {}
    call.stream.write(request({ resource_names: ['a'], version_info, response_nonce }))
  }
  server.endpoints.set(assignment('a', 2))
  await until('all to hear', () => calls.every(({ responses }) => responses.length === 2), {
    withinMs: 30_000,
  })
})

withServer('health answers beside a stream, on its connection', async ({ server, session }) => {
  const call = new RawCall(session)
  call.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => call.responses.length === 1)
  const checks = Array.from({ length: 10 }, () => new RawCall(session, { ':path': HEALTH }))
  for (const check of checks) check.stream.end(framed(Buffer.alloc(0)))
  for (const check of checks) assert.equal(await ended(check), constants.NGHTTP2_NO_ERROR)
  assert.deepEqual(new Set(checks.map(({ status }) => status)), new Set([0]))
  assert.equal(server.xds.nodes().length, 1)
})

withServer(
  'what nobody serves is UNIMPLEMENTED; what cannot be passed on is reset',
  async ({ server, session }) => {
    const unknown = new RawCall(session, { ':path': '/no.such.Service/Method' })
    unknown.stream.end(framed(Buffer.alloc(0)))
    await until('the status', () => unknown.status === 12)
    // HTTP/2 of Node lets this header in and never out.
    const further = [literal(':authority', 'x'), literal(':path', '/x'), literal('http2-settings', 'x')]
    const block = Buffer.concat([POST_HTTP, ...further])
    const head = Buffer.of(0, 0, block.length, HEADERS, END_HEADERS_AND_STREAM, 0, 0, 0, 1)
    const socket = connectSocket(server.port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', chunk => received.push(chunk))
    socket.write(Buffer.concat([PREFACE, head, block]))
    const reset = Buffer.of(0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, constants.NGHTTP2_PROTOCOL_ERROR)
    await until('the reset', () => Buffer.concat(received).includes(reset))
    socket.destroy()
  },
)

withServer('a call that ends badly for its client harms nobody', async ({ session }) => {
  for (const headers of [
    {},
    { ':path': HEALTH },
    { 'content-type': 'text/html' },
    { ':path': '/no.such/Method' },
  ]) {
    const call = new RawCall(session, headers)
    call.stream.write(request({ resource_names: ['a'] }))
    call.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    await ended(call)
  }
  const check = new RawCall(session, { ':path': HEALTH })
  check.stream.end(framed(Buffer.alloc(0)))
  await until('the answer', () => check.status === 0)
})

withServer(
  'a call to the library that is cancelled or dropped leaves nothing behind',
  async ({ server, session }) => {
    const watch = new RawCall(session, { ':path': '/grpc.health.v1.Health/Watch' })
    watch.stream.end(framed(Buffer.alloc(0)))
    await until('the first state', () => Number(watch.headers[':status']) === constants.HTTP_STATUS_OK)
    watch.stream.close(constants.NGHTTP2_CANCEL)
    const dropped = new RawCall(session, { ':path': '/grpc.health.v1.Health/Watch' })
    dropped.stream.end(framed(Buffer.alloc(0)))
    await until('its first state', () => Number(dropped.headers[':status']) === constants.HTTP_STATUS_OK)
    session.destroy()
    // Whatever were still open would hold the stop up until the grace is over.
    await within(4000, 'the stop', server.xds.stop(30_000))
  },
)

withServer('stopping says GOAWAY and frees the port', async ({ server, session }) => {
  const call = new RawCall(session)
  call.stream.write(request({ resource_names: ['a'] }))
  await until('the response', () => call.responses.length === 1)
  const goaway = once(session, 'goaway')
  await within(4000, 'the stop', server.xds.stop(30_000))
  const [code] = await within(1000, 'GOAWAY', goaway)
  assert.deepEqual([code, call.status], [constants.NGHTTP2_NO_ERROR, 14])
})

const AGE_MS = 60_000
const clocks = { keepalive: new ManualClock(), age: new ManualClock() }

withServer(
  'X-58: a connection that does not answer a ping is closed; one that does stays',
  async ({ server, session }) => {
    const call = new RawCall(session)
    call.stream.write(request({ resource_names: ['a'] }))
    await until('the response', () => call.responses.length === 1)
    const silent = connectSocket(server.port, '127.0.0.1')
    silent.write(PREFACE)
    await within(5000, "the server's settings", once(silent, 'data'))
    silent.resume()
    const pinged = once(session, 'ping')
    const closed = once(silent, 'close')
    clocks.keepalive.advance(30_000)
    await within(5000, 'the ping', pinged)
    let pings = 1
    session.on('ping', () => {
      pings += 1
    })
    await until('the silent one to be closed and the other to be pinged again', () => {
      clocks.keepalive.advance(1000)
      return silent.destroyed && pings > 1
    })
    await within(5000, 'its end', closed)
    assert.equal(session.destroyed, false)
    assert.equal(server.xds.nodes().length, 1)
  },
  { clock: clocks.keepalive, limits: { stalledMs: 1e9 } },
)

withServer(
  'X-58: an old connection is told GOAWAY, its streams go on for the grace, then it is closed',
  async ({ server, session }) => {
    const call = new RawCall(session)
    call.stream.write(request({ resource_names: ['a'] }))
    await until('the response', () => call.responses.length === 1)
    const goaway = once(session, 'goaway')
    clocks.age.advance(AGE_MS * 1.1)
    await within(5000, 'GOAWAY', goaway)
    const { version_info, nonce: response_nonce } = call.responses[0] ?? {}
    call.stream.write(request({ resource_names: ['a'], version_info, response_nonce }))
    server.endpoints.set(assignment('a', 2))
    await until('the next response', () => call.responses.length === 2)
    clocks.age.advance(30_000)
    await ended(call)
    await until('it to be forgotten', () => server.xds.nodes().length === 0)
  },
  { clock: clocks.age, limits: { connectionAgeMs: AGE_MS, keepaliveMs: 1e9, stalledMs: 1e9 } },
)

test('a client of the library and one of discovery share a port, each as if alone', async () => {
  await using server = await TestServer.start()
  server.endpoints.set(assignment('a', 1))
  using client = new RawClient(server.port)
  const stream = client.stream({ protocol: 'delta', aggregated: true }, ENDPOINT)
  stream.subscribe(['a'])
  await stream.next()
  const check = client.bytes(HEALTH)
  const answer = once(check, 'data')
  check.write(Buffer.alloc(0))
  check.end()
  const [bytes] = await within(5000, 'the answer', answer)
  assert.deepEqual(bytes, Buffer.of(8, 1))
})
