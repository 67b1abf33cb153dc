/** What clients can do wrong on a real connection, and that it costs nobody else anything. */
import assert from 'node:assert/strict'
import { constants } from 'node:http2'
import { test } from 'node:test'
import { type ClientDuplexStream, status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { createResource } from '../../eds-server/src/xds/resource.ts'
import { CLUSTER, ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { until, within } from '../../scripts/processes/until.ts'
import { openPaused } from './paused-client.ts'
import { FORMS, formName, methodOf, RawClient } from './raw-client.ts'
import { assignment } from './resources.ts'
import { TestServer } from './server.ts'

function statusOf(call: ClientDuplexStream<Buffer, Buffer>): Promise<number> {
  call.on('error', () => undefined)
  call.on('data', () => undefined)
  return new Promise(resolve => call.once('status', ({ code }) => resolve(code)))
}

test('bytes that are no message end their stream with INVALID_ARGUMENT, beside one that goes on', async () => {
  await using server = await TestServer.start()
  server.endpoints.set(assignment('a', 1))
  using client = new RawClient(server.port)
  const bystander = client.stream({ protocol: 'sotw', aggregated: true }, ENDPOINT)
  bystander.subscribe(['a'])
  bystander.ack(await bystander.next())
  const allowed = new Set([status.INVALID_ARGUMENT, status.OK])
  const form = fc.constantFrom(...FORMS)
  await fc.assert(
    fc.asyncProperty(
      form,
      fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 3 }),
      async (each, messages) => {
        const call = client.bytes(methodOf(each, ENDPOINT).path)
        const ended = statusOf(call)
        for (const message of messages) call.write(Buffer.from(message))
        call.end()
        const code = await within(5000, 'the stream to end', ended)
        assert.ok(allowed.has(code), `${formName(each)}: ${status[code]}`)
      },
    ),
    { numRuns: 200 },
  )
  server.endpoints.set(assignment('a', 2))
  assert.equal((await bystander.next()).version, assignment('a', 2).version)
})

for (const form of FORMS) {
  test(`${formName(form)}: a request of 5 MiB is RESOURCE_EXHAUSTED for its stream alone (X-56)`, async () => {
    await using server = await TestServer.start()
    server.endpoints.set(assignment('a', 1))
    using client = new RawClient(server.port)
    const bystander = client.stream(form, ENDPOINT)
    bystander.subscribe(['a'])
    bystander.ack(await bystander.next())
    const call = client.bytes(methodOf(form, ENDPOINT).path)
    const ended = statusOf(call)
    call.write(Buffer.alloc(5 * 1024 * 1024))
    assert.equal(await within(5000, 'the stream to end', ended), status.RESOURCE_EXHAUSTED)
    server.endpoints.set(assignment('a', 2))
    assert.equal((await bystander.next()).version, assignment('a', 2).version)
    await until('the stream to be forgotten', () => server.xds.nodes().length === 1)
  })

  test(`${formName(form)}: a wrong or missing type URL is INVALID_ARGUMENT (X-02)`, async () => {
    await using server = await TestServer.start()
    using client = new RawClient(server.port)
    const wrong = form.aggregated ? '' : CLUSTER.typeUrl
    const stream = client.stream(form, ENDPOINT)
    stream.send({ type_url: wrong })
    assert.equal((await stream.ended).code, status.INVALID_ARGUMENT)
  })
}

test('a client that closes its side gets OK; one that resets or drops the connection is forgotten', async () => {
  await using server = await TestServer.start()
  server.endpoints.set(assignment('a', 1))
  const client = new RawClient(server.port)
  const [closing, resetting, dropping] = [1, 2, 3].map(number => {
    return client.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, `node-${number}`)
  })
  assert.ok(closing && resetting && dropping)
  for (const stream of [closing, resetting, dropping]) {
    stream.subscribe(['a'])
    await stream.next()
  }
  assert.equal(server.xds.nodes().length, 3)
  closing.call.end()
  assert.equal((await closing.ended).code, status.OK)
  resetting.call.cancel()
  await until('two to be forgotten', () => server.xds.nodes().length === 1)
  client[Symbol.dispose]()
  dropping.call.cancel()
  await until('all to be forgotten', () => server.xds.nodes().length === 0)
})

test('X-10: a client that closes its side is not expected back, one whose connection breaks is', async () => {
  await using server = await TestServer.start()
  server.endpoints.set(assignment('a', 1))
  using client = new RawClient(server.port)
  const leaving = client.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, 'leaving')
  leaving.subscribe(['a'])
  await leaving.next()
  const { session } = openPaused(server.port, 'a')
  await until('both to be known', () => server.xds.nodes().length === 2)
  leaving.call.end()
  session.destroy()
  await until('both to be forgotten', () => server.xds.nodes().length === 0)
  const { pending } = await server.endpoints.acked('a', { timeoutMs: 0 })
  assert.deepEqual(pending, [{ node: 'paused', cluster: '', state: 'DISCONNECTED' }])
})

test('F13: a client that stops reading costs one response of memory, and is closed', async () => {
  const MEGABYTE = 1024 * 1024
  let slow = 0
  const observer = {
    slowClientClosed: () => {
      slow += 1
    },
  }
  await using server = await TestServer.start({ limits: { stalledMs: 3000 }, observer })
  const big = (content: number) => createResource(ENDPOINT, 'big', Buffer.alloc(MEGABYTE, content))
  server.endpoints.set(big(0))
  const clients = await Promise.all(Array.from({ length: 20 }, () => openPaused(server.port, 'big')))
  await until('all to be sent something', () => {
    const types = server.xds.nodes().flatMap(node => node.types)
    return types.length === 20 && types.every(({ state }) => state === 'STALE')
  })
  using reader = new RawClient(server.port)
  const healthy = reader.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, 'healthy')
  healthy.subscribe(['big'])
  healthy.ack(await healthy.next())
  const before = process.memoryUsage().rss
  for (let content = 1; content <= 100; content += 1) {
    server.endpoints.set(big(content))
    healthy.ack(await healthy.next())
  }
  const grownBy = (process.memoryUsage().rss - before) / MEGABYTE
  // Queued, the 100 responses of 20 clients would be 2,000 MiB.
  assert.ok(grownBy < 300, `RSS grew by ${Math.round(grownBy)} MiB`)
  const codes = await within(
    20_000,
    'the paused clients to be closed',
    Promise.all(clients.map(({ closed }) => closed)),
  )
  assert.deepEqual(new Set(codes), new Set([constants.NGHTTP2_REFUSED_STREAM]))
  assert.equal(slow, 20)
  assert.equal(server.xds.nodes().length, 1)
  for (const { session } of clients) session.destroy()
})
