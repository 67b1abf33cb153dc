/** One line for an existing server: health paths before the user's handlers, the port, keep-alive, signals. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { attach, register } from '@rollcall/sdk'
import { until } from '../../scripts/processes/until.ts'
import { atEnd, memoryLogger, portOf, printed, serve, startNode, testRegistry } from './support.ts'

test("the health paths are answered before handlers added earlier or later; all else is the app's", async context => {
  const registry = await testRegistry(context)
  const seen: unknown[] = []
  const { server, port } = await serve(context, (request, response) => {
    seen.push(request.url)
    response.end('app')
  })
  const registration = attach(server, { registry: registry.url, service: 'myservice' })
  atEnd(context, () => registration.close())
  server.on('request', request => seen.push(request.url))
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    return [answer.status, answer.headers.get('content-type'), await answer.text()]
  }
  const json = 'application/json; charset=utf-8'
  assert.deepEqual(await ask('/healthz'), [200, json, '{"status":"healthy","checks":{}}'])
  assert.deepEqual(await ask('/livez?probe=1'), [200, json, '{"status":"alive"}'])
  assert.deepEqual(await ask('/healthz', 'HEAD'), [200, json, ''])
  assert.deepEqual(seen, [])
  assert.equal((await ask('/healthz', 'POST'))[2], 'app')
  assert.equal((await ask('/healthz/more'))[2], 'app')
  assert.deepEqual(seen, ['/healthz', '/healthz', '/healthz/more', '/healthz/more'])
})

test("paths of one's own, or none", async context => {
  const registry = await testRegistry(context)
  const { server, port } = await serve(context, (_request, response) => response.end('app'))
  const options = {
    registry: registry.url,
    service: 'myservice',
    healthzPath: '/ready',
    livezPath: false,
  } as const
  const registration = attach(server, options)
  atEnd(context, () => registration.close())
  for (const [path, answer] of Object.entries({
    '/ready': /healthy/,
    '/healthz': /^app$/,
    '/livez': /^app$/,
  })) {
    assert.match(await (await fetch(`http://127.0.0.1:${port}${path}`)).text(), answer)
  }
})

test('the port is learnt from a server that listens already, or will; an explicit one wins', async context => {
  const registry = await testRegistry(context)
  const options = { registry: registry.url, service: 'myservice' }
  const { server: early, port } = await serve(context, (_request, response) => response.end())
  const late = createServer()
  const mapped = createServer()
  const registrations = [
    attach(early, options),
    attach(late, options),
    attach(mapped, { ...options, port: 443 }),
  ]
  atEnd(context, () => Promise.all(registrations.map(each => each.close())))
  await registrations[0]?.started
  await delay(50)
  assert.deepEqual(
    registry.instances().map(instance => instance.port),
    [port],
    'who does not listen is not registered',
  )
  for (const server of [late, mapped]) await once(server.listen(0, '127.0.0.1'), 'listening')
  await Promise.all(registrations.map(each => each.started))
  const ports = registry.instances().map(instance => instance.port)
  assert.deepEqual(ports.sort(), [port, portOf(late), 443].sort())
})

test('register({ server }) reads the port and leaves the server alone', async context => {
  const registry = await testRegistry(context)
  const { server, port } = await serve(context, (_request, response) => response.end('app'))
  const registration = await register({ registry: registry.url, service: 'myservice', server })
  assert.equal(registry.instances()[0]?.port, port)
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text(), 'app')
  await registration.close()
  assert.ok(server.listening)
  const late = createServer()
  const started = performance.now()
  const waiting = await register({ registry: registry.url, service: 'late', server: late })
  assert.ok(performance.now() - started < 1500, 'who listens afterwards must not wait for it')
  assert.equal(waiting.state, 'starting')
  late.listen(0, '127.0.0.1')
  atEnd(context, () => late.close())
  await waiting.started
  assert.equal(waiting.state, 'registered')
  await waiting.close()
})

test('a server on a pipe has no port: said once, by name', async context => {
  const registry = await testRegistry(context)
  const logger = memoryLogger()
  const server = createServer().listen(`/tmp/rollcall-test-${process.pid}.sock`)
  atEnd(context, () => server.close())
  const registration = attach(server, { registry: registry.url, service: 'myservice', logger })
  await assert.rejects(registration.started, { code: 'ROLLCALL_OPTION_INVALID', field: 'port' })
  assert.equal(logger.lines.length, 1)
  await registration.close()
})

test('idle connections are kept longer than Envoy keeps them, and slow headers are still cut', async context => {
  const registry = await testRegistry(context)
  const server = createServer({ connectionsCheckingInterval: 50 }, (_request, response) =>
    response.end('app'),
  )
  const registration = attach(server, { registry: registry.url, service: 'myservice' })
  atEnd(context, () => registration.close())
  assert.ok(server.keepAliveTimeout > 3_600_000)
  server.headersTimeout = 300
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const answers: string[] = []
  const socket = connect(portOf(server), '127.0.0.1').on('data', data => answers.push(String(data)))
  const get = 'GET / HTTP/1.1\r\nhost: app\r\n\r\n'
  socket.write(get)
  await until('an answer', () => answers.length > 0)
  await delay(700)
  socket.write(get)
  await until(
    'an answer on the connection that was idle for longer than headersTimeout',
    () => answers.length > 1,
  )
  assert.match(answers[1] ?? '', /^HTTP\/1.1 200/)
  const slow = connect(portOf(server), '127.0.0.1')
  slow.write('GET / HT')
  slow.resume()
  await once(slow, 'close')
})

test('drainOn: the signal drains, then the process ends by itself with its own exit code', async context => {
  const registry = await testRegistry(context)
  const app = startNode(context, ['--input-type=module', '-e', script(registry.url, "drainOn: ['SIGTERM'],")])
  const { port } = await printed(app, 'ready')
  const ack = registry.laggard('envoy-1')
  app.signal('SIGTERM')
  await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'app', 'serving while it drains')
  ack()
  assert.deepEqual(await app.exited, { code: 0, signal: null })
  await printed(app, 'closed')
  assert.equal(registry.instances().length, 0)
})

test('drainOn: a second signal ends the process at once; without drainOn signals are not ours', async context => {
  const registry = await testRegistry(context)
  const twice = startNode(context, [
    '--input-type=module',
    '-e',
    script(registry.url, "drainOn: ['SIGTERM'],"),
  ])
  await printed(twice, 'ready')
  registry.laggard('envoy-1')
  twice.signal('SIGTERM')
  await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
  twice.signal('SIGTERM')
  assert.deepEqual(await twice.exited, { code: null, signal: 'SIGTERM' })
  const plain = startNode(context, ['--input-type=module', '-e', script(registry.url, '')])
  await printed(plain, 'ready')
  plain.signal('SIGTERM')
  assert.deepEqual(await plain.exited, { code: null, signal: 'SIGTERM' })
})

function script(registry: string, more: string): string {
  return `
    import { createServer } from 'node:http'
    import { attach } from '@rollcall/sdk'
    const server = createServer((request, response) => response.end('app'))
    const registration = attach(server, { registry: '${registry}', service: 'myservice', ${more} })
    registration.on('closed', () => console.log(JSON.stringify({ msg: 'closed' })))
    server.listen(0, '127.0.0.1')
    await registration.started
    console.log(JSON.stringify({ msg: 'ready', port: server.address().port }))`
}
