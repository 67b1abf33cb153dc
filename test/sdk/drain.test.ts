/** Leaving: F30's order of steps, what clients see meanwhile, and the bounds when nothing goes right. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import test, { type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type AttachOptions, attach, DeliveryError, type Registration, register } from '@rollcall/sdk'
import type { TestRegistry } from '@rollcall/sdk/testing'
import { until } from '../../scripts/processes/until.ts'
import { atEnd, memoryLogger, portOf, serve, testRegistry } from './support.ts'

interface World {
  registry: TestRegistry
  registration: Registration
  server: Server
  port: number
  url: string
}

async function attached(context: TestContext, options: Partial<AttachOptions> = {}): Promise<World> {
  const registry = await testRegistry(context)
  const { server, port } = await serve(context, async (incoming, response) => {
    const { searchParams } = new URL(incoming.url ?? '/', 'http://app')
    await delay(Number(searchParams.get('delay') ?? 0))
    response.end('served')
  })
  const logger = memoryLogger()
  const registration = attach(server, { registry: registry.url, service: 'myservice', logger, ...options })
  atEnd(context, () => registration.close())
  await registration.started
  return { registry, registration, server, port, url: `http://127.0.0.1:${port}` }
}

/** One request on a connection of its own that would be kept alive. */
function get(port: number, path: string): Promise<{ status: number; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const options = { port, path, host: '127.0.0.1', headers: { connection: 'keep-alive' } }
    const outgoing = request(options, (response: IncomingMessage) => {
      response.resume().on('end', () => {
        resolve({ status: response.statusCode ?? 0, connection: response.headers.connection })
      })
    })
    outgoing.on('error', reject).end()
  })
}

function calls(registry: TestRegistry): string[] {
  return registry.requests
    .map(({ method, path }) => `${method} ${path.replace(/^.*instances\/[^/]*\/?/, '')}`)
    .filter(call => call !== 'PUT heartbeat')
}

test('F30: DRAINING, ACKed; no more beats; deregistered, ACKed; the server serves throughout', async context => {
  const { registry, registration, port } = await attached(context)
  const ackDraining = registry.laggard('envoy-1')
  const drained = registration.drain()
  await until('DRAINING published', () => registry.instances()[0]?.status === 'draining')
  assert.equal(registration.state, 'draining')
  assert.equal((await get(port, '/healthz')).status, 503)
  assert.equal((await get(port, '/livez')).status, 200)
  assert.deepEqual(await get(port, '/'), { status: 200, connection: 'keep-alive' })
  const beats = registry.instances()[0]?.heartbeats ?? 0
  await until('beats keep the lease', () => (registry.instances()[0]?.heartbeats ?? 0) > beats + 1)
  assert.equal(registry.instances()[0]?.status, 'draining', 'no beat said healthy')
  assert.deepEqual(calls(registry), ['PUT ', 'POST drain'], 'no step further without the ACK')
  ackDraining()
  await until('DELETE', () => registry.instances().length === 0)
  const report = await drained
  assert.deepEqual(calls(registry), ['PUT ', 'POST drain', 'DELETE '])
  assert.deepEqual(registry.requests.at(-1)?.query, { wait: 'acked', timeout: '5000ms' })
  assert.deepEqual(report.drained, { subscribers: 1, acked: 1, pending: [] })
  assert.deepEqual(report.deregistered, { subscribers: 1, acked: 1, pending: [] })
  assert.equal(registration.state, 'deregistered')
  assert.equal((await get(port, '/')).status, 200, 'still serving')
  await registration.close()
  await assert.rejects(get(port, '/'), { code: 'ECONNREFUSED' })
})

test('laggards: the drain goes on without them and names them', async context => {
  const { registry, registration } = await attached(context, { ackTimeoutMs: 100 })
  registry.laggard('envoy-7')
  const { drained, laggards } = await registration.drain()
  assert.deepEqual(laggards, ['envoy-7'])
  assert.deepEqual(drained?.pending, [{ node: 'envoy-7', cluster: 'test', state: 'STALE' }])
})

test('live() and gone() wait for the ACKs and name the laggards at the deadline', async context => {
  const { registry, registration } = await attached(context, { ackTimeoutMs: 50 })
  const ack = registry.laggard('envoy-7')
  const isLaggard = (code: string) => (error: unknown) => {
    assert.ok(error instanceof DeliveryError)
    assert.equal(error.code, code)
    assert.deepEqual(error.pending, [{ node: 'envoy-7', cluster: 'test', state: 'STALE' }])
    assert.match(error.message, /envoy-7/)
    return true
  }
  await assert.rejects(registration.live({ timeoutMs: 100 }), isLaggard('ROLLCALL_NOT_LIVE'))
  const live = registration.live()
  ack()
  assert.deepEqual((await live).pending, [])
  const ackAgain = registry.laggard('envoy-7')
  await registration.close()
  await assert.rejects(registration.gone({ timeoutMs: 100 }), isLaggard('ROLLCALL_NOT_GONE'))
  const gone = registration.gone()
  ackAgain()
  assert.deepEqual((await gone).pending, [], 'also after close()')
  await assert.rejects(registration.live(), { code: 'ROLLCALL_CLOSED' })
})

test('live() bridges the time until we are registered; its deadline says why not', async context => {
  const registry = await testRegistry(context)
  registry.fail('error')
  const registration = await register({
    ...{ registry: registry.url, service: 'myservice', port: 8081, ttlMs: 300, logger: memoryLogger() },
  })
  atEnd(context, () => registration.close())
  await assert.rejects(registration.live({ timeoutMs: 50 }), { code: 'ROLLCALL_NOT_LIVE', pending: [] })
  const live = registration.live()
  registry.fail('none')
  assert.equal((await live).acked, 1)
})

test('where no registry can confirm, a fixed delay from the fall of readiness; none if never registered', async context => {
  const { registry, registration, port } = await attached(context, { drainDelayMs: 1500 })
  registry.fail('reset')
  const started = performance.now()
  const drained = registration.drain()
  await until('readiness', async () => (await get(port, '/healthz')).status === 503)
  const report = await drained
  const tookMs = performance.now() - started
  assert.ok(tookMs >= 1490 && tookMs < 2500, `${tookMs}`)
  assert.deepEqual([report.drained, report.deregistered], [undefined, undefined])

  const stranger = await register({
    ...{
      registry: registry.url,
      service: 'myservice',
      port: 8081,
      drainDelayMs: 60_000,
      logger: memoryLogger(),
    },
  })
  const before = performance.now()
  await stranger.close()
  assert.ok(performance.now() - before < 5000)
  assert.deepEqual(await stranger.gone(), { subscribers: 0, acked: 0, pending: [] })
})

for (const known of [true, false]) {
  test(`removed by someone else, which we ${known ? 'know' : 'do not know yet'}: what counts is who still has us`, async context => {
    const { registry, registration } = await attached(context)
    registry.deregister(registration.instanceId)
    if (known) await until('deregistered', () => registration.state === 'deregistered')
    const ack = registry.laggard('envoy-1')
    const drained = registration.drain()
    await until('the question', () => registry.requests.at(-1)?.path.endsWith('/delivery'))
    ack()
    assert.deepEqual((await drained).deregistered?.pending, [])
  })
}

test('close(): the answer under way says connection: close and is finished; then nobody is served', async context => {
  const { registration, port } = await attached(context)
  await get(port, '/')
  const slow = get(port, '/?delay=600')
  await delay(50)
  const closing = registration.close()
  await until('the listener closes soon', () => registration.state === 'deregistered')
  assert.deepEqual(await get(port, '/'), { status: 200, connection: 'close' }, 'a new request')
  assert.deepEqual(await slow, { status: 200, connection: 'close' }, 'the one under way')
  await closing
  assert.equal(registration.state, 'closed')
})

test('close() does not wait for connections that never ask: idle ones, and ones without a first request', async context => {
  const { registration, port } = await attached(context)
  const silent = connect(port, '127.0.0.1')
  const idle = connect(port, '127.0.0.1').on('connect', function (this: { write(text: string): void }) {
    this.write('GET / HTTP/1.1\r\nhost: app\r\n\r\n')
  })
  await new Promise(resolve => idle.once('data', resolve))
  const closed = [silent, idle].map(
    socket => new Promise(resolve => socket.on('error', resolve).on('close', resolve)),
  )
  const started = performance.now()
  await registration.close()
  await Promise.all(closed)
  assert.ok(performance.now() - started < 5000)
})

test('close() does not wait for a connection that said keep-alive just before, and then falls idle', async context => {
  const { registration, server, port } = await attached(context)
  server.prependListener('request', (_request, response) => response.write('begun, '))
  const begun = get(port, '/?delay=400')
  await delay(50)
  const started = performance.now()
  await registration.close()
  assert.deepEqual(await begun, { status: 200, connection: 'keep-alive' })
  assert.ok(performance.now() - started < 5000)
})

test('the hard deadline also cuts a connection that is older than attach', async context => {
  const registry = await testRegistry(context)
  const { server, port } = await serve(context, () => undefined)
  const early = connect(port, '127.0.0.1')
  await new Promise(resolve => server.once('connection', resolve))
  const options = { registry: registry.url, service: 'myservice', deadlineMs: 300, logger: memoryLogger() }
  const registration = attach(server, options)
  await registration.started
  early.write('GET / HTTP/1.1\r\nhost: app\r\n\r\n')
  await new Promise(resolve => server.once('request', resolve))
  const cut = new Promise(resolve => early.on('error', resolve).on('close', resolve))
  await registration.close()
  await cut
})

test('the hard deadline cuts what does not end: a request, an upgraded socket, a hook', async context => {
  const { registration, server, port } = await attached(context, {
    deadlineMs: 400,
    onClose: () => new Promise(() => undefined),
  })
  server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching\r\n\r\n'))
  const upgraded = connect(port, '127.0.0.1')
  upgraded.write('GET / HTTP/1.1\r\nhost: app\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n')
  await new Promise(resolve => upgraded.once('data', resolve))
  const cut = new Promise(resolve => upgraded.on('error', resolve).on('close', resolve))
  const endless = get(port, '/?delay=3000').catch((error: { code: string }) => error.code)
  await delay(50)
  const started = performance.now()
  await registration.close()
  assert.ok(performance.now() - started < 3000)
  assert.equal(await endless, 'ECONNRESET')
  await cut
})

test('the hook comes last, when nobody is served; one that fails is logged and does not keep us', async context => {
  const logger = memoryLogger()
  let listening: boolean | undefined
  const { registration, server } = await attached(context, {
    logger,
    onClose: () => {
      listening = server.listening
      throw new Error('hook')
    },
  })
  await registration.close()
  assert.equal(listening, false)
  assert.ok(logger.lines.some(({ level, message }) => level === 'error' && message === 'a close hook failed'))
})

test('close() and drain() are idempotent, also from within a listener, and tell each step once', async context => {
  const { registry, registration } = await attached(context)
  const seen: string[] = []
  for (const name of ['draining', 'deregistered', 'closed', 'lost'] as const) {
    registration.on(name, () => {
      seen.push(name)
      void registration.drain()
      void registration.close()
    })
  }
  await Promise.all([registration.close(), registration.drain(), registration.close()])
  await registration.closed
  assert.deepEqual(seen, ['draining', 'deregistered', 'closed'])
  assert.equal(calls(registry).filter(call => call === 'DELETE ').length, 1)
})

test('await using, an aborted signal and a closed server each are close()', async context => {
  const registry = await testRegistry(context)
  const abort = new AbortController()
  const options = { registry: registry.url, service: 'myservice', port: 8081 }
  const aborted = await register({ ...options, signal: abort.signal })
  {
    await using scoped = await register(options)
    assert.equal(scoped.state, 'registered')
    assert.equal(registry.instances().length, 2)
  }
  assert.equal(registry.instances().length, 1)
  abort.abort()
  await aborted.closed
  assert.equal(registry.instances().length, 0)
  await assert.rejects(register({ ...options, signal: abort.signal }), { name: 'AbortError' })
  const { registration, server, registry: other } = await attached(context)
  server.close()
  server.closeAllConnections()
  await registration.closed
  assert.equal(other.instances().length, 0)
})

test('close() before the server ever listens', async context => {
  const registry = await testRegistry(context)
  const server = createServer()
  const registration = attach(server, { registry: registry.url, service: 'myservice' })
  await registration.close()
  await registration.started
  server.listen(0, '127.0.0.1')
  atEnd(context, () => server.close())
  await until('listening', () => server.listening && portOf(server))
  await delay(50)
  assert.equal(registry.requests.length, 0)
})

test('F01: a registry that has just restarted cannot speak for all: a fixed delay, and gone() asks on', async context => {
  const registry = await testRegistry(context)
  let isIncomplete = true
  const { port } = await serve(context, async (request, response) => {
    const body = await text(request)
    const answer = await fetch(registry.url + request.url, {
      method: request.method ?? 'GET',
      headers: Object.fromEntries(
        Object.entries(request.headersDistinct).flatMap(([name, [value = ''] = []]) =>
          /^(rollcall-.*|content-type)$/.test(name) ? [[name, value]] : [],
        ),
      ),
      ...(body !== '' && { body }),
    })
    const said = await answer.text()
    const marked = isIncomplete ? said.replace('"pending":[]', '"pending":[],"incomplete":true') : said
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(marked)
  })
  const url = `http://127.0.0.1:${port}`
  const options = { registry: url, service: 'myservice', port: 8081, logger: memoryLogger() }
  const registration = await register({ ...options, drainDelayMs: 700 })
  assert.equal((await registration.live()).incomplete, true, 'of no concern to live()')
  const { deregistered, durationMs } = await registration.drain()
  assert.equal(deregistered?.incomplete, true)
  assert.ok(durationMs >= 690, `${durationMs}`)
  await assert.rejects(registration.gone({ timeoutMs: 100 }), {
    code: 'ROLLCALL_NOT_GONE',
    message: /restart/,
  })
  const gone = registration.gone()
  isIncomplete = false
  assert.deepEqual(await gone, { subscribers: 1, acked: 1, pending: [] })
  await registration.close()
})
