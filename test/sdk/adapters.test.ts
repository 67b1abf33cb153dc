/** Each adapter in its own framework; Fastify's close under traffic (its preClose answers 503, fastify#7044). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import test, { type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Registration, register } from '@rollcall/sdk'
import { healthz as expressHealthz, livez as expressLivez } from '@rollcall/sdk/express'
import { fastifyRollcall } from '@rollcall/sdk/fastify'
import { healthz as httpHealthz, livez as httpLivez } from '@rollcall/sdk/http'
import { healthz as koaHealthz, livez as koaLivez } from '@rollcall/sdk/koa'
import express from 'express'
import { type FastifyInstance, fastify } from 'fastify'
import Koa from 'koa'
import { until } from '../../scripts/processes/until.ts'
import { atEnd, memoryLogger, portOf, printed, serve, startNode, testRegistry } from './support.ts'

async function registration(context: TestContext, isUp: () => boolean): Promise<Registration> {
  const registry = await testRegistry(context)
  const options = { registry: registry.url, service: 'myservice', port: 8081, logger: memoryLogger() }
  const result = await register({ ...options, checks: { db: isUp } })
  atEnd(context, () => result.close())
  return result
}

const FRAMEWORKS: Record<string, (each: Registration) => Parameters<typeof serve>[1]> = {
  'node:http': each => (incoming, response) => {
    if (incoming.url === '/healthz') httpHealthz(each)(incoming, response)
    else if (incoming.url === '/livez') httpLivez(each)(incoming, response)
    else response.end('app')
  },
  express: each =>
    express()
      .get('/healthz', expressHealthz(each))
      .get('/livez', expressLivez(each))
      .use((_request, response) => void response.end('app')),
  koa: each =>
    new Koa()
      .use(koaHealthz(each))
      .use(koaLivez(each))
      .use(context => {
        context.body = 'app'
      })
      .callback(),
}

for (const [name, build] of Object.entries(FRAMEWORKS)) {
  test(`${name}: readiness follows the checks and the drain, liveness does not`, async context => {
    let isUp = true
    const each = await registration(context, () => isUp)
    const { port } = await serve(context, build(each))
    const ask = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      return [answer.status, await answer.text()]
    }
    assert.deepEqual(await ask('/healthz'), [200, '{"status":"healthy","checks":{"db":"pass"}}'])
    assert.deepEqual(await ask('/'), [200, 'app'])
    isUp = false
    await until('unhealthy', async () => (await ask('/healthz'))[0] === 503)
    assert.deepEqual(await ask('/livez'), [200, '{"status":"alive"}'])
    isUp = true
    await until('healthy', async () => (await ask('/healthz'))[0] === 200)
    await each.drain()
    assert.deepEqual(await ask('/healthz'), [503, '{"status":"draining","checks":{"db":"pass"}}'])
    assert.deepEqual(await ask('/livez'), [200, '{"status":"alive"}'])
  })
}

async function fastifyApp(
  context: TestContext,
  more: object = {},
): Promise<{ app: FastifyInstance; port: number; registry: Awaited<ReturnType<typeof testRegistry>> }> {
  const registry = await testRegistry(context)
  const app = fastify()
  app.get('/', async () => {
    await delay(5)
    return 'app'
  })
  await app.register(fastifyRollcall, { registry: registry.url, service: 'myservice', ...more })
  atEnd(context, () => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.rollcall.started
  return { app, port: portOf(app.server), registry }
}

test('fastify: app.close() under traffic drains first, fails no request and does not wait for idle connections', async context => {
  const { app, port, registry } = await fastifyApp(context)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  atEnd(context, () => agent.destroy())
  const ack = registry.laggard('envoy-1')
  const wrong: unknown[] = []
  let served = 0
  let isOffered = true
  // A proxy as it should be: it sends until it has let go of the endpoint, and only then confirms.
  const workers = Array.from({ length: 4 }, async () => {
    while (isOffered) {
      const outgoing = request({ port, host: '127.0.0.1', agent }).end()
      try {
        const [response] = await once(outgoing, 'response')
        await once(response.resume(), 'end')
        if (response.statusCode === 200) served++
        else wrong.push(response.statusCode)
      } catch (error) {
        wrong.push(error)
      }
    }
  })
  await until('traffic', () => served > 20)
  const started = performance.now()
  const closing = app.close()
  await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
  const atDraining = served
  await until('traffic while it drains', () => served > atDraining + 50)
  isOffered = false
  await Promise.all(workers)
  ack()
  await closing
  assert.deepEqual(wrong, [])
  assert.ok(performance.now() - started < 5000, 'the kept-alive connections held it up')
  assert.equal(registry.instances().length, 0)
  assert.equal(app.rollcall.state, 'closed')
})

test("fastify: the app's hooks run after the drain, whoever starts the closing, and from a child too", async context => {
  for (const start of ['app', 'registration', 'child', 'callback', 'dispose'] as const) {
    const { app, registry } = await fastifyAppWithHook(context)
    if (start === 'app') await app.close()
    if (start === 'registration') await app.rollcall.close()
    if (start === 'child') await app.child.close()
    if (start === 'callback') await new Promise(resolve => app.close(() => resolve(undefined)))
    if (start === 'dispose') await app[Symbol.asyncDispose]()
    await app.close()
    assert.deepEqual(app.seen, ['onClose with 0 registered'], start)
    assert.equal(registry.instances().length, 0)
  }
})

async function fastifyAppWithHook(context: TestContext) {
  const registry = await testRegistry(context)
  const app = Object.assign(fastify(), { seen: [] as string[], child: undefined as never as FastifyInstance })
  await app.register(async child => {
    await child.register(fastifyRollcall, { registry: registry.url, service: 'myservice' })
    Object.assign(app, { child })
  })
  Object.defineProperty(app, 'rollcall', { get: () => app.child.rollcall })
  app.addHook(
    'onClose',
    async () => void app.seen.push(`onClose with ${registry.instances().length} registered`),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.child.rollcall.started
  return { app, registry }
}

test('fastify: an app that never listens closes at once, and an onClose that fails still rejects close()', async context => {
  const registry = await testRegistry(context)
  const app = fastify()
  await app.register(fastifyRollcall, { registry: registry.url, service: 'myservice' })
  app.addHook('onClose', async () => {
    throw new Error('hook')
  })
  app.get('/', async () => 'app')
  assert.equal((await app.inject('/')).body, 'app')
  await assert.rejects(app.close(), /hook/)
  assert.equal(registry.requests.length, 0)
})

test('fastify: a wrong option fails the start of the app', async () => {
  const app = fastify()
  app.register(fastifyRollcall, { service: 'my service' })
  await assert.rejects(async () => await app.ready(), { code: 'ROLLCALL_OPTION_INVALID' })
})

test('fastify: a signal closes the whole app', async context => {
  const registry = await testRegistry(context)
  const child = startNode(context, [
    '--input-type=module',
    '-e',
    `
    import { fastify } from 'fastify'
    import { fastifyRollcall } from '@rollcall/sdk/fastify'
    const app = fastify()
    const options = { registry: '${registry.url}', service: 'myservice', drainOn: ['SIGTERM'] }
    await app.register(fastifyRollcall, options)
    app.addHook('onClose', async () => console.log(JSON.stringify({ msg: 'onClose' })))
    await app.listen({ port: 0, host: '127.0.0.1' })
    await app.rollcall.started
    console.log(JSON.stringify({ msg: 'ready' }))`,
  ])
  await printed(child, 'ready')
  child.signal('SIGTERM')
  assert.deepEqual(await child.exited, { code: 0, signal: null })
  await printed(child, 'onClose')
  assert.equal(registry.instances().length, 0)
})
