/** The sample upstream as people start it: a real process, its flags, its log lines, its end. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import test, { type TestContext } from 'node:test'
import { freePort, ROOT, serve, startProcess, type TestProcess, testRegistry, until } from '../sdk/support.ts'

const MAIN = `${ROOT}upstream-server/dist/main.js`
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function start(context: TestContext, args: string[], env: Record<string, string> = {}): TestProcess {
  const clean = { EDS_SERVER_PORT: '', ROLLCALL_REGISTRY: '', ROLLCALL_ADDRESS: '' }
  return startProcess(context, [MAIN, ...args], { ...clean, ...env })
}

test('GET / is the UUID of the process: 36 bytes of text/html; /healthz says healthy', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--registry', registry.url])
  const { port, uuid } = await upstream.line('listening')
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
  await upstream.line('registered')
  assert.deepEqual(
    upstream.lines.map(({ msg }) => msg),
    ['listening', 'registered'],
  )
  assert.equal(upstream.lines[0]?.port, port)
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
  await start(context, [], env).line('registered')
  await start(context, ['-p', String(second)], env).line('registered')
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
    const { port } = await upstream.line('listening')
    await upstream.line('registered')
    const ack = registry.laggard('envoy-1')
    upstream.child.kill(signal)
    await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503)
    ack()
    assert.equal(await upstream.exited, 0)
    assert.equal(registry.instances().length, 0)
    assert.equal(upstream.stderr(), '')
  })
}

test('a second signal ends it at once', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--registry', registry.url])
  await upstream.line('registered')
  registry.laggard('envoy-1')
  upstream.child.kill('SIGINT')
  await until('DRAINING', () => registry.instances()[0]?.status === 'draining')
  upstream.child.kill('SIGINT')
  assert.equal(await upstream.exited, 'SIGINT')
})

test('with the registry unreachable it starts, serves, says so once, and ends at once', async context => {
  const registry = `http://127.0.0.1:${await freePort()}`
  const upstream = start(context, ['-p', '0', '--registry', registry])
  const { port } = await upstream.line('listening')
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
  const told = await until('a line about it', () => upstream.lines.find(({ level }) => Number(level) >= 50))
  assert.match(String(told.msg), /not registered/)
  const started = performance.now()
  upstream.child.kill('SIGTERM')
  assert.equal(await upstream.exited, 0)
  assert.ok(performance.now() - started < 4000, 'nobody can have it, so nobody is waited for')
  assert.equal(upstream.lines.filter(({ level }) => Number(level) >= 50).length, 1)
})

test('a port in use: one line, exit 1', async context => {
  const { port } = await serve(context, (_request, response) => response.end())
  const upstream = start(context, ['-p', String(port)])
  assert.equal(await upstream.exited, 1)
  assert.match(upstream.stderr(), new RegExp(`^upstream-server: .*in use.*${port}.*\\n$`))
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
    assert.equal(await upstream.exited, 2)
    assert.match(upstream.stderr(), line)
    assert.equal(upstream.stderr().trimEnd().split('\n').length, 1)
    assert.deepEqual(upstream.lines, [])
  })
}

test('--help: usage on stdout, exit 0', async context => {
  const upstream = start(context, ['--help'])
  assert.equal(await upstream.exited, 0)
  assert.match(String(upstream.lines[0]?.msg), /^usage: /)
})

test('IPv6: --host ::1 is listened on and registered (F43)', async context => {
  const registry = await testRegistry(context)
  const upstream = start(context, ['-p', '0', '--host', '::1', '--registry', registry.url])
  const { port } = await upstream.line('listening')
  await upstream.line('registered')
  assert.equal(registry.instances()[0]?.address, '::1')
  const status = await new Promise(resolve => {
    request({ host: '::1', port: Number(port) }, response => resolve(response.resume().statusCode)).end()
  })
  assert.equal(status, 200)
})
