/** Calls that are passed through to a server within the process: bytes, trailers, backpressure and ends both ways. */
import assert from 'node:assert/strict'
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import { test } from 'node:test'
import pino from 'pino'
import { CallBridge } from '../../eds-server/src/xds/call-bridge.ts'
import { until, within } from '../../scripts/processes/until.ts'

const MEGABYTE = 1024 * 1024

/** A client, and the calls as the server behind the bridge has them. */
async function bridged(
  body: (client: ClientHttp2Session, calls: ServerHttp2Stream[]) => Promise<void>,
): Promise<void> {
  const calls: ServerHttp2Stream[] = []
  const behind = createServer()
  behind.on('stream', call => {
    call.on('error', () => undefined)
    calls.push(call)
  })
  const bridge = new CallBridge(far => void behind.emit('connection', far), pino({ level: 'silent' }))
  const front = createServer()
  front.on('stream', (call, headers, flags) => {
    call.on('error', () => undefined)
    bridge.forward(call, headers, flags)
  })
  const client = connect(`http://127.0.0.1:${await listening(front)}`)
  try {
    await body(client, calls)
  } finally {
    client.destroy()
    bridge.close()
    await new Promise(resolve => front.close(resolve))
  }
}

function listening(server: Http2Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}

const first = (calls: readonly ServerHttp2Stream[]): Promise<ServerHttp2Stream> =>
  until('the call behind the bridge', () => calls[0])

test('bytes and trailers come through whole, both ways at once', async () => {
  await bridged(async (client, calls) => {
    const call = client.request({ ':method': 'POST', ':path': '/echo', 'x-one': 'two' })
    const behind = await first(calls)
    behind.respond({ ':status': 200, 'x-three': 'four' }, { waitForTrailers: true })
    behind.on('wantTrailers', () => behind.sendTrailers({ 'grpc-status': '7' }))
    behind.pipe(behind)
    const sent = Buffer.alloc(3 * MEGABYTE, 'abcdefg')
    call.end(sent)
    const received: Buffer[] = []
    let trailers: object = {}
    call.on('trailers', came => {
      trailers = came
    })
    for await (const chunk of call) received.push(chunk as Buffer)
    assert.ok(Buffer.concat(received).equals(sent))
    assert.equal(Reflect.get(trailers, 'grpc-status'), '7')
    assert.equal(behind.sentHeaders?.['x-three'], 'four')
  })
})

for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR]) {
  test(`a reset with ${code} reaches the server behind, and one of the server the client`, async () => {
    await bridged(async (client, calls) => {
      const call = client.request({ ':method': 'POST' })
      call.on('error', () => undefined)
      const behind = await first(calls)
      behind.respond({ ':status': 200 })
      behind.resume()
      call.close(code)
      await until('the server behind to hear', () => behind.closed)
      assert.equal(behind.rstCode, code)
      const second = client.request({ ':method': 'POST' })
      second.on('error', () => undefined)
      const other = await until('the next call', () => calls[1])
      const closed = new Promise(resolve => second.once('close', () => resolve(second.rstCode)))
      other.close(code)
      assert.equal(await within(5000, 'the client to hear', closed), code)
    })
  })
}

test('a client that does not read holds up its own call, which costs a window and not what is sent', async () => {
  await bridged(async (client, calls) => {
    const paused = client.request({ ':method': 'POST' })
    paused.on('error', () => undefined)
    paused.pause()
    const behind = await first(calls)
    behind.respond({ ':status': 200 })
    let taken = 0
    let isRunning = true
    void (async () => {
      for (; isRunning && taken < 50 * MEGABYTE; taken += 65_536) {
        if (!behind.write(Buffer.alloc(65_536))) await new Promise(resolve => behind.once('drain', resolve))
      }
    })()
    // Another call goes on meanwhile: what was taken for the paused one has settled by then.
    for (let count = 1; count <= 5; count += 1) {
      const other = client.request({ ':method': 'POST' })
      const passed = await until('another call', () => calls[count])
      passed.respond({ ':status': 200 })
      passed.end('done')
      let text = ''
      for await (const chunk of other) text += String(chunk)
      assert.equal(text, 'done')
    }
    isRunning = false
    assert.ok(taken < 2 * MEGABYTE, `${taken} bytes were taken`)
    paused.close()
  })
})
