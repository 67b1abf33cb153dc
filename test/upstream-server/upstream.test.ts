/** The sample upstream as people start it: a real process, its flags, its log lines, its end. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Child } from '../../scripts/processes/child.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { printed, serve, startNode, testRegistry } from '../sdk/support.ts'
import { freePort } from '../world/world.ts'

const MAIN = join(ROOT, 'upstream-server', 'dist', 'main.js')
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function start(context: TestContext, args: string[], env: Record<string, string> = {}): Child {
  return startNode(context, [MAIN, ...args], env)
}

/** What it has logged. */
function logOf(child: Child): Record<string, unknown>[] {
  return child.lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line))
}

test('GET / is the UUID of the process: 36 bytes of text/html; /healthz says healthy', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--registry', registry.url])
  const { port, uuid } = await printed(upstream, 'listening')
  for (const _again of [1, 2]) {
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.equal(answer.headers.get('content-length'), '36')
    const body = await answer.text()
    assert.match(body, UUID)
    assert.equal(body, uuid)
  }
  const health = await fetch(`http://127.0.0.1:${port}/healthz`)
  assert.deepEqual([health.status, await health.json()], [200, { status: 'healthy', checks: {} }])
})

test('it registers what the flags say, and logs listening, then registered', async context => {
  const registry = await testRegistry(context)
  const port = await freePort()
  const flags = [
    '--service',
    'web',
    '--weight',
    '5',
    '--zone',
    'eu-1',
    '--metadata',
    'a=1',
    '--metadata',
    'b=x=y',
  ]
  const upstream = start(context, ['--port', String(port), '--registry', registry.url, ...flags])
  await printed(upstream, 'registered')
  assert.deepEqual(
    logOf(upstream).map(({ msg }) => msg),
    ['listening', 'registered'],
  )
  assert.equal(logOf(upstream)[0]?.port, port)
  const [instance] = registry.instances()
  assert.equal(instance?.service, 'web')
  assert.equal(instance?.port, port)
  assert.equal(instance?.address, '127.0.0.1')
  assert.equal(instance?.weight, 5)
  assert.deepEqual(instance?.locality, { region: '', zone: 'eu-1', subZone: '' })
  assert.deepEqual(instance?.metadata, { a: '1', b: 'x=y' })
})

test('defaults and environment: EDS_SERVER_PORT, ROLLCALL_REGISTRY, ROLLCALL_ADDRESS; a flag wins', async context => {
  const registry = await testRegistry(context)
  const [first, second] = [await freePort(), await freePort()]
  const env = {
    EDS_SERVER_PORT: String(first),
    ROLLCALL_REGISTRY: registry.url,
    ROLLCALL_ADDRESS: '10.1.2.3',
  }
  await printed(start(context, [], env), 'registered')
  await printed(start(context, ['-p', String(second)], env), 'registered')
  assert.deepEqual(
    registry.instances().map(({ service, address, port }) => [service, address, port]),
    [
      ['myservice', '10.1.2.3', first],
      ['myservice', '10.1.2.3', second],
    ],
  )
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: it drains while it serves, then exits 0`, async context => {
    const registry = await testRegistry(context)
    const upstream = start(context, ['-p', '0', '--registry', registry.url])
    const { port } = await printed(upstream, 'listening')
    await printed(upstream, 'registered')
    const ack = registry.laggard('envoy-1')
    upstream.signal(signal)
    await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503)
    ack()
    assert.deepEqual(await upstream.exited, { code: 0, signal: null })
    assert.equal(registry.instances().length, 0)
    assert.deepEqual(upstream.stderr, [])
  })
}

test('a second signal ends it at once', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--registry', registry.url])
  await printed(upstream, 'registered')
  registry.laggard('envoy-1')
  upstream.signal('SIGINT')
  await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
  upstream.signal('SIGINT')
  assert.deepEqual(await upstream.exited, { code: null, signal: 'SIGINT' })
})

test('with the registry unreachable it starts, serves, says so once, and ends at once', async context => {
  const registry = `http://127.0.0.1:${await freePort()}`
  const upstream = start(context, ['-p', '0', '--registry', registry])
  const { port } = await printed(upstream, 'listening')
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
  const told = await until('a line about it', () => logOf(upstream).find(({ level }) => Number(level) >= 50))
  assert.match(String(told.msg), /not registered/)
  const started = performance.now()
  upstream.signal('SIGTERM')
  assert.deepEqual(await upstream.exited, { code: 0, signal: null })
  assert.ok(performance.now() - started < 4000, 'nobody can have it, so nobody is waited for')
  assert.equal(logOf(upstream).filter(({ level }) => Number(level) >= 50).length, 1)
})

test('a port in use: one line, exit 1', async context => {
  const { port } = await serve(context, (_request, response) => response.end())
  const upstream = start(context, ['-p', String(port)])
  assert.deepEqual(await upstream.exited, { code: 1, signal: null })
  assert.equal(upstream.stderr.length, 1)
  assert.match(upstream.stderr[0] ?? '', new RegExp(`^upstream-server: .*in use.*${port}`))
})

const WRONG: [args: string[], env: Record<string, string>, line: RegExp][] = [
  [['--prot', '1'], {}, /--prot/],
  [['-p', '65536'], {}, /--port: "65536"/],
  [['-p', 'http'], {}, /--port: "http"/],
  [['-p', ''], {}, /--port: ""/],
  [[], { EDS_SERVER_PORT: '-1' }, /EDS_SERVER_PORT: "-1"/],
  [['--weight', '0'], {}, /weight: 0/],
  [['--weight', '1.5'], {}, /--weight: "1.5"/],
  [['--metadata', 'novalue'], {}, /--metadata: "novalue"/],
  [['--registry', 'eds'], {}, /registry: \["eds"\]/],
  [['--service', 'a b'], {}, /service: "a b"/],
  [['extra'], {}, /extra/],
  [['--port'], {}, /port/],
]
for (const [args, env, line] of WRONG) {
  test(`wrong: ${[...Object.entries(env).map(pair => pair.join('=')), ...args].join(' ')}: one line, exit 2`, async context => {
    const upstream = start(context, args, env)
    assert.deepEqual(await upstream.exited, { code: 2, signal: null })
    assert.match(upstream.stderr[0] ?? '', line)
    assert.deepEqual(upstream.lines, upstream.stderr.slice(0, 1), 'nothing else on either')
  })
}

test('--help: usage on stdout, exit 0', async context => {
  const upstream = start(context, ['--help'])
  assert.deepEqual(await upstream.exited, { code: 0, signal: null })
  assert.match(upstream.lines[0] ?? '', /^usage: /)
})

test('IPv6: --host ::1 is listened on and registered (F43)', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--host', '::1', '--registry', registry.url])
  const { port } = await printed(upstream, 'listening')
  await printed(upstream, 'registered')
  assert.equal(registry.instances()[0]?.address, '::1')
  const status = await new Promise(resolve => {
    request({ host: '::1', port: Number(port) }, response => resolve(response.resume().statusCode)).end()
  })
  assert.equal(status, 200)
})
