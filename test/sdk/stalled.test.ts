/** F46: the heartbeat has a thread of its own, so that a blocked event loop is shown as stalled and not as dead. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { type TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { register } from '@rollcall/sdk'
import type { Child } from '../../scripts/processes/child.ts'
import { until } from '../../scripts/processes/until.ts'
import { Heartbeat, type HeartbeatOwner, type Pulse } from '../../sdk/src/heartbeat.ts'
import { RegistryClient } from '../../sdk/src/registry-client.ts'
import { atEnd, edsServer, memoryLogger, printed, startNode, testRegistry } from './support.ts'

/** An app that does what it is asked to: `?run=` JavaScript. */
const APP = `
  import { createServer } from 'node:http'
  import { attach } from '@rollcall/sdk'
  const server = createServer((request, response) => {
    response.end()
    const source = new URL(request.url, 'http://app').searchParams.get('run')
    setImmediate(() => new Function('server', source)(server))
  })
  const registration = attach(server, { service: 'myservice', ttlMs: Number(process.env.TTL), deadlineMs: 1000 })
  server.listen(0, '127.0.0.1', async () => {
    await registration.started
    console.log(JSON.stringify({ msg: 'up', port: server.address().port, state: registration.state }))
  })`

interface App {
  child: Child
  run(source: string): Promise<void>
}

async function startApp(
  test: TestContext,
  url: string,
  { ttlMs = 1500, flags = [] as string[] } = {},
): Promise<App> {
  const env = { ROLLCALL_REGISTRY: url, TTL: String(ttlMs) }
  const child = startNode(test, [...flags, '--input-type=module', '-e', APP], env)
  const { port, state } = await printed(child, 'up')
  assert.equal(state, 'registered')
  const run = async (source: string) => {
    await fetch(`http://127.0.0.1:${port}/?run=${encodeURIComponent(source)}`)
  }
  return { child, run }
}

function block(ms: number): string {
  return `const end = Date.now() + ${ms}; while (Date.now() < end);`
}

/** Threads that this process starts from now on. */
function threadsStarted(test: TestContext): Worker[] {
  const threads: Worker[] = []
  const note = (worker: Worker) => threads.push(worker)
  process.on('worker', note)
  atEnd(test, () => process.off('worker', note))
  return threads
}

test('F46: an event loop blocked for more than three leases is shown as stalled, lapses never, and is back to normal after', async context => {
  const { child: server, url } = await edsServer(context)
  const app = await startApp(context, url)
  const metric = async () =>
    /registry_instances\{service="myservice",status="(\w+)"\} 1/.exec(
      await (await fetch(`${url}/metrics`)).text(),
    )?.[1]
  const seen = new Set<string>()
  const look = async () => {
    const answer = await fetch(`${url}/v1/services/myservice/instances`)
    const { instances } = (await answer.json()) as { instances: [Record<string, unknown>] }
    seen.add(instances.map(({ status, lapsed }) => `${status}${lapsed ? ', lapsed' : ''}`).join('; '))
    const [{ incarnation, stalled }] = instances
    return { incarnation, stalled }
  }
  const before = await look()
  assert.equal(before.stalled, false)
  await app.run(block(5000))
  await until('stalled', async () => (await look()).stalled)
  assert.equal(await metric(), 'stalled')
  await until('no longer stalled', async () => !(await look()).stalled)
  assert.equal(await metric(), 'healthy')
  assert.deepEqual(await look(), before, 'the same life')
  assert.deepEqual([...seen], ['healthy'])
  await printed(server, 'stalled: its main thread is blocked')
  await printed(server, 'no longer stalled')
  assert.equal(server.lines.filter(line => line.includes('"msg":"stalled')).length, 1)
})

/** A heartbeat whose app's thread says what the test wants. */
async function heartbeatOf(test: TestContext, pulse: Pulse) {
  const registry = await testRegistry(test)
  const client = new RegistryClient([registry.url])
  const news: string[] = []
  const tell = (name: string) => () => void news.push(name)
  const owner: HeartbeatOwner = {
    pulse: async () => ({ ...pulse }),
    ...{ registered: tell('registered'), recovered: tell('recovered'), failed: tell('failed') },
    ...{ lost: tell('lost'), removed: tell('removed') },
  }
  const options = {
    ...{ service: 'myservice', instanceId: 'one', hasFixedId: false, secret: 'A'.repeat(43) },
    ...{ ttlMs: undefined, record: { port: 8081 } },
  }
  const heartbeat = new Heartbeat(client, options, owner)
  atEnd(test, async () => {
    await heartbeat.stop()
    await client.close()
  })
  await heartbeat.start()
  const bodies = () => registry.requests.filter(({ path }) => path.endsWith('beat')).map(({ body }) => body)
  return { registry, news, bodies }
}

test('F46: silence is said after 3 s and given up on after 60 s; then the lease takes its course', async context => {
  const pulse: Pulse = { status: 'healthy', silentMs: 0 }
  const { registry, news, bodies } = await heartbeatOf(context, pulse)
  await until('beats', () => bodies().length > 1)
  Object.assign(pulse, { status: undefined, silentMs: 2999 })
  const early = bodies().length
  await until('beats', () => bodies().length > early + 2)
  assert.ok(bodies().every(body => body === undefined))
  pulse.silentMs = 3000
  await until('stalled', () => registry.instances()[0]?.stalled)
  assert.deepEqual(bodies().at(-1), { stalled: true })
  pulse.silentMs = 60_001
  const given = bodies().length + 1 // one may have been under way
  await new Promise(resolve => setTimeout(resolve, 500))
  assert.ok(bodies().length <= given, 'no beat any more')
  registry.expire('one')
  Object.assign(pulse, { status: 'healthy', silentMs: 0 })
  await until('back', () => news.length === 3)
  assert.deepEqual(news, ['registered', 'lost', 'registered'])
  assert.equal(registry.instances()[0]?.stalled, false)
})

test('F46: a process ends by itself when its server closes, and by process.exit, whatever the thread does', async context => {
  const registry = await testRegistry(context, { ttlMs: 1500 })
  for (const flags of [[], ['--import', 'tsx']]) {
    const closing = await startApp(context, registry.url, { flags })
    await closing.run('server.close(); server.closeIdleConnections()')
    assert.deepEqual(await closing.child.exited, { code: 0, signal: null }, closing.child.tail())
    assert.equal(registry.instances().length, 0, 'and has left')
    const exiting = await startApp(context, registry.url, { flags })
    await exiting.run('process.exit(7)')
    assert.deepEqual(await exiting.child.exited, { code: 7, signal: null })
    assert.deepEqual([...closing.child.stderr, ...exiting.child.stderr], [])
    registry.forget()
  }
})

test('one thread for all registrations of a process, which ends with the last; a later one starts another', async context => {
  const threads = threadsStarted(context)
  const registry = await testRegistry(context)
  const options = { registry: registry.url, service: 'myservice', logger: memoryLogger(), drainDelayMs: 0 }
  const [first, second] = await Promise.all([1, 2].map(port => register({ ...options, port })))
  assert.equal(threads.length, 1)
  await first?.close()
  const before = registry.requests.length
  await until('the other one beats on', () => registry.requests.length > before + 3)
  const ended = once(threads[0] as Worker, 'exit')
  await second?.close()
  await ended
  const third = await register({ ...options, port: 3 })
  assert.equal(third.state, 'registered')
  assert.equal(threads.length, 2)
  await third.close()
})

test('a thread that dies is told once, and the main thread goes on with the same life', async context => {
  const threads = threadsStarted(context)
  const registry = await testRegistry(context)
  const logger = memoryLogger()
  const registration = await register({ registry: registry.url, service: 'myservice', port: 8081, logger })
  atEnd(context, () => registration.close())
  const [before] = registry.instances()
  await threads[0]?.terminate()
  const count = registry.requests.length
  await until('beats go on', () => registry.requests.length > count + 3)
  assert.equal(registration.state, 'registered')
  assert.equal(registry.instances()[0]?.incarnation, before?.incarnation)
  const warnings = logger.lines.filter(({ level }) => level !== 'info')
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['no thread for heartbeats: they come from the main thread, and stop while its event loop is blocked'],
  )
})

test('a thread that dies before it has said a word keeps nobody from registering', async context => {
  const threads = threadsStarted(context)
  process.once('worker', worker => void worker.terminate())
  const registry = await testRegistry(context)
  const logger = memoryLogger()
  const registration = await register({ registry: registry.url, service: 'myservice', port: 8081, logger })
  assert.equal(registration.state, 'registered')
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 1)
  await registration.close()
  assert.equal(threads.length, 1)
})

test('a thread that dies while we leave keeps nobody from leaving', async context => {
  const threads = threadsStarted(context)
  const registry = await testRegistry(context)
  const logger = memoryLogger()
  const options = { registry: registry.url, service: 'myservice', port: 8081, logger, deadlineMs: 5000 }
  const registration = await register(options)
  registry.fail('hang')
  const before = registry.requests.length
  await until('a beat in flight', () => registry.requests.length > before)
  const closed = registration.close()
  registry.fail('none')
  await threads[0]?.terminate()
  await closed
  assert.equal(registry.instances().length, 0)
})

test('a process that may start no thread registers and beats all the same, and says what that costs', async context => {
  const known = process.allowedNodeEnvironmentFlags
  const permission = known.has('--permission') ? '--permission' : '--experimental-permission'
  const flags = [permission, '--allow-fs-read=*', ...(known.has('--allow-net') ? ['--allow-net'] : [])]
  const registry = await testRegistry(context)
  const app = await startApp(context, registry.url, { ttlMs: 300, flags })
  const before = registry.requests.length
  await until('beats', () => registry.requests.length > before + 3)
  const warning = /RollcallWarning: no thread for heartbeats: they come from the main thread/
  assert.match(app.child.stderr.join('\n'), warning)
  await app.run('server.close(); server.closeIdleConnections()')
  assert.deepEqual(await app.child.exited, { code: 0, signal: null })
})
