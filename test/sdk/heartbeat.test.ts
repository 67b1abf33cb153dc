/** Registering and beating: the six known failures of heartbeat clients, and F36, F40, F41, F44, F45. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test, { type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type CommonOptions, type Registration, type RegistrationEvents, register } from '@rollcall/sdk'
import { startTestRegistry, type TestRegistry } from '@rollcall/sdk/testing'
import { until } from '../../scripts/processes/until.ts'
import { freePort } from '../world/world.ts'
import {
  atEnd,
  type LogLine,
  memoryLogger,
  portOf,
  printed,
  serve,
  startNode,
  testRegistry,
} from './support.ts'

type Names = keyof RegistrationEvents

async function registered(
  test: TestContext,
  registry: string | string[],
  options: Partial<CommonOptions> = {},
): Promise<Registration & { seen: Names[] }> {
  const logger = memoryLogger()
  const registration = await register({
    ...{ registry, service: 'myservice', port: 8081, logger, drainDelayMs: 0, deadlineMs: 500 },
    ...options,
  })
  atEnd(test, () => registration.close())
  const seen: Names[] = []
  for (const name of [
    'heartbeatFailed',
    'lost',
    'reregistered',
    'draining',
    'deregistered',
    'closed',
  ] as const) {
    registration.on(name, () => seen.push(name))
  }
  return Object.assign(registration, { seen })
}

function errorIn(line: LogLine | undefined): { code?: string } | undefined {
  return line?.details.err as { code?: string } | undefined
}

/** What a registry answers to a registration. */
const GRANTED = JSON.stringify({ incarnation: 1, lease: { ttlMs: 300, heartbeatIntervalMs: 100 } })

function beats(registry: TestRegistry): number {
  return registry.requests.filter(({ path }) => path.endsWith('/heartbeat')).length
}

test('failure 1, an exception ends the loop: throwing checks, listeners and loggers do not', async context => {
  const registry = await testRegistry(context)
  const registration = await registered(context, registry.url, {
    checks: {
      throws: () => {
        throw new Error('check')
      },
    },
    logger: Object.fromEntries(
      ['info', 'warn', 'error'].map(level => [
        level,
        () => {
          throw new Error('logger')
        },
      ]),
    ) as never,
  })
  for (const name of ['heartbeatFailed', 'lost', 'reregistered'] as const) {
    registration.on(name, () => {
      throw new Error('listener')
    })
    registration.on(name, async () => {
      throw new Error('async listener')
    })
  }
  registry.fail('reset')
  await until('a failure', () => registration.state === 'retrying')
  registry.fail('none')
  registry.expire(registration.instanceId)
  await until('registered again', () => registration.seen.includes('reregistered'))
  const before = beats(registry)
  await until('beats go on', () => beats(registry) > before + 3)
  assert.deepEqual(registration.seen, ['heartbeatFailed', 'lost', 'reregistered'])
})

test('failure 2, beats overlap, drift or herd: one in flight, on schedule, jittered', async context => {
  let inFlight = 0
  let most = 0
  const starts: number[] = []
  const server = createServer((request, response) => {
    const isBeat = request.url?.endsWith('/heartbeat')
    if (isBeat) starts.push(performance.now())
    if (isBeat) most = Math.max(most, ++inFlight)
    request.resume().on('end', async () => {
      // Well within the 100 ms after which the SDK takes the beat for lost, and sends the next.
      if (isBeat) await delay(70)
      if (isBeat) inFlight--
      response.end(isBeat ? '' : GRANTED)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  atEnd(context, () => server.close().closeAllConnections())
  await registered(context, `http://127.0.0.1:${portOf(server)}`)
  await until('21 beats', () => starts.length > 20)
  assert.equal(most, 1)
  const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  // From end to start it would be 170 ms: the time that an answer takes must not add up.
  assert.ok(mean > 80 && mean < 160, `mean gap ${mean}`)
  assert.ok(Math.max(...gaps) - Math.min(...gaps) > 2, 'no jitter')
})

test('failure 3, a lost lease goes unnoticed: 410 and 404 bring the full record back at once', async context => {
  const registry = await testRegistry(context, { ttlMs: 1500 })
  const registration = await registered(context, registry.url, { zone: 'eu-1', metadata: { team: 'a' } })
  const [before] = registry.instances()
  registry.expire(registration.instanceId)
  await until('registered again', () => registration.seen.length === 2)
  const [after] = registry.instances()
  assert.deepEqual(registration.seen, ['lost', 'reregistered'])
  assert.equal(after?.instanceId, before?.instanceId)
  assert.ok((after?.incarnation ?? 0) > (before?.incarnation ?? 0), 'a new life')
  assert.deepEqual(after?.metadata, { team: 'a' })
  assert.deepEqual(after?.locality, { region: '', zone: 'eu-1', subZone: '' })
  const at = registry.requests.findIndex(
    ({ method, path }, index) => index > 0 && method === 'PUT' && !path.endsWith('beat'),
  )
  const beat = registry.requests[at - 1]
  assert.ok(beat?.path.endsWith('/heartbeat'))
  assert.ok((registry.requests[at]?.at ?? 0) - (beat?.at ?? 0) < 300, 'not only at the next beat')
  registry.forget()
  await until('registered again', () => registration.seen.length === 4)
  assert.equal(registration.state, 'registered')
})

test('failure 4, a late beat resurrects a deregistered instance: the one in flight is awaited, none follows', async context => {
  const order: string[] = []
  const server = createServer((request, response) => {
    const name = `${request.method} ${request.url?.replace(/^.*instances\/[^/?]*/, '').replace(/\?.*/, '')}`
    request.resume().on('end', async () => {
      order.push(`> ${name}`)
      if (name === 'PUT /heartbeat') await delay(80)
      // Answered just when the next beat is under way, so that it is for the SDK to wait for that beat.
      if (name === 'POST /drain') await until('a beat in flight', () => order.at(-1) === '> PUT /heartbeat')
      order.push(`< ${name}`)
      const report = { delivery: { subscribers: 0, acked: 0, pending: [] } }
      response.end(name === 'PUT ' ? GRANTED : name === 'PUT /heartbeat' ? '' : JSON.stringify(report))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  atEnd(context, () => server.close().closeAllConnections())
  const registration = await registered(context, `http://127.0.0.1:${portOf(server)}`)
  await until('a beat in flight', () => order.at(-1) === '> PUT /heartbeat')
  await registration.drain()
  await delay(250)
  const at = order.indexOf('> POST /drain')
  assert.equal(order[at - 1], '< PUT /heartbeat', 'a "healthy" in flight could undo the DRAINING')
  assert.deepEqual(order.slice(order.indexOf('< POST /drain')), [
    '< POST /drain',
    '< PUT /heartbeat',
    '> DELETE ',
    '< DELETE ',
  ])
  assert.ok(!registration.seen.includes('lost'))
})

test('failure 5, always "UP" whatever the checks say: the status follows them both ways', async context => {
  const registry = await testRegistry(context)
  let isUp = false
  const registration = await registered(context, registry.url, { checks: { db: () => isUp } })
  const status = () => registry.instances()[0]?.status
  assert.equal(status(), 'unhealthy', 'already in the registration')
  assert.deepEqual(registration.healthz(), { status: 'unhealthy', httpStatus: 503, checks: { db: 'fail' } })
  isUp = true
  await until('healthy', () => status() === 'healthy')
  assert.equal(registration.healthz().httpStatus, 200)
  const [, ...rest] = registry.requests
  const before = rest.length
  await until('quiet beats', () => registry.requests.length > before + 4)
  assert.equal(registry.requests.at(-1)?.body, undefined, 'a status that is no news is not sent')
  isUp = false
  await until('unhealthy', () => status() === 'unhealthy')
})

test('failure 6, its timers keep the process alive or it exits by itself: it does neither', async context => {
  const registry = await testRegistry(context, { ttlMs: 3000 })
  for (const url of [registry.url, `http://127.0.0.1:${await freePort()}`]) {
    const script = `
      import { register } from '@rollcall/sdk'
      const registration = await register({ registry: '${url}', service: 'myservice', port: 8081 })
      process.exitCode = 7
      console.log(JSON.stringify({ msg: registration.state }))`
    const started = performance.now()
    const child = startNode(context, ['--input-type=module', '-e', script])
    assert.deepEqual(await child.exited, { code: 7, signal: null })
    assert.ok(performance.now() - started < 4000)
    await printed(child, url === registry.url ? 'registered' : 'retrying')
  }
})

test('a status whose beat got lost is said again until the registry has it', async context => {
  const registry = await testRegistry(context)
  let isUp = true
  await registered(context, registry.url, { checks: { db: () => isUp } })
  isUp = false
  await until('unhealthy', () => registry.instances()[0]?.status === 'unhealthy')
  registry.fail('reset')
  isUp = true
  const before = beats(registry)
  await until('a beat that got lost', () => beats(registry) > before)
  registry.fail('none')
  await until('healthy', () => registry.instances()[0]?.status === 'healthy')
})

test('a check that hangs is a failed check, delays no lease and is not started over and over', async context => {
  const registry = await testRegistry(context)
  let runs = 0
  const registration = await registered(context, registry.url, {
    checkTimeoutMs: 30,
    checks: {
      hangs: () => {
        runs++
        return new Promise(() => undefined)
      },
    },
  })
  await until('beats', () => beats(registry) > 5)
  assert.deepEqual(registration.healthz().checks, { hangs: 'timeout' })
  assert.equal(registry.instances()[0]?.status, 'unhealthy')
  assert.ok(runs <= 3, `${runs} runs`)
})

test('F36: the secret is ours from the first try, so a repeated registration is the same life', async context => {
  const secrets: unknown[] = []
  const server = createServer((request, response) => {
    secrets.push(request.headers['rollcall-lease-secret'])
    request.resume()
    if (secrets.length < 3) response.socket?.destroy()
    else response.end(request.url?.endsWith('/heartbeat') ? '' : GRANTED)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  atEnd(context, () => server.close().closeAllConnections())
  await registered(context, `http://127.0.0.1:${portOf(server)}`)
  await until('registered', () => secrets.length > 3)
  assert.equal(new Set(secrets).size, 1)
  assert.match(String(secrets[0]), /^[\w-]{43}$/)
})

test('F41: a beat that got lost is repeated well before the next one is due', async context => {
  const registry = await testRegistry(context, { ttlMs: 9000 })
  const registration = await registered(context, registry.url, { checks: { db: () => true } })
  const first = await until('a beat', () => (beats(registry) > 0 ? registry.requests.at(-1) : undefined))
  registry.fail('reset')
  await until('one lost', () => registration.state === 'retrying')
  registry.fail('none')
  const lost = registry.requests.at(-1)
  await until('repeated', () => registration.state === 'registered')
  assert.ok((lost?.at ?? 0) - first.at > 2000, 'the interval is 3 s')
  assert.ok((registry.requests.at(-1)?.at ?? 0) - (lost?.at ?? 0) < 2000)
})

test('F41: a beat without an answer is given up, and repeated, well before the next one is due', async context => {
  const registry = await testRegistry(context, { ttlMs: 12_000 })
  const registration = await registered(context, registry.url, {})
  const before = beats(registry)
  registry.fail('hang')
  await until('one without an answer', () => beats(registry) > before)
  const lost = registry.requests.at(-1)
  await until('given up', () => registration.state === 'retrying')
  registry.fail('none')
  await until('repeated', () => registration.state === 'registered')
  assert.ok((registry.requests.at(-1)?.at ?? 0) - (lost?.at ?? 0) < 3000, 'the interval is 4 s')
})

test('F44: with the registry down the app starts, says so once, and registers when it is back', async context => {
  const port = await freePort()
  const logger = memoryLogger()
  const started = performance.now()
  const registration = await registered(context, `http://127.0.0.1:${port}`, { logger, ttlMs: 600 })
  assert.ok(performance.now() - started < 1500)
  assert.equal(registration.state, 'retrying')
  await delay(1000)
  assert.equal(logger.lines.filter(({ level }) => level === 'error').length, 1)
  assert.deepEqual(registration.seen, [], 'heartbeatFailed came before we listened, and only once')
  const registry = await startTestRegistry({ port, ttlMs: 600 })
  atEnd(context, () => registry.close())
  const back = performance.now()
  await until('registered', () => registration.state === 'registered')
  assert.ok(performance.now() - back < 1000, 'within one back-off, which is at most one interval')
})

test('F44: register() does not wait for a registry that does not answer', async context => {
  const registry = await testRegistry(context, { ttlMs: 30_000 })
  registry.fail('hang')
  const started = performance.now()
  const registration = await registered(context, registry.url, { deadlineMs: 10 })
  assert.ok(performance.now() - started < 4000)
  assert.equal(registration.state, 'starting')
})

test('F45: with a registry that never answers there is one beat in flight, ended within the interval', async context => {
  const registry = await testRegistry(context)
  const logger = memoryLogger()
  const registration = await registered(context, registry.url, { logger })
  registry.fail('hang')
  const before = beats(registry)
  await until('four beats', () => beats(registry) >= before + 4)
  assert.equal(registration.state, 'retrying')
  const times = registry.requests.filter(({ path }) => path.endsWith('/heartbeat')).slice(before)
  for (const [index, { at }] of times.entries()) {
    const next = times[index + 1]
    if (next) assert.ok(next.at - at > 80, 'the next one came before the timeout of the last')
  }
  assert.equal(logger.lines.filter(({ message }) => message.startsWith('not registered')).length, 1)
  assert.deepEqual(registration.seen, ['heartbeatFailed'])
  registry.fail('none')
  await until('registered', () => registration.state === 'registered')
  assert.ok(!registration.seen.includes('lost'), 'the lease was there all the time')
})

test('an operator who deregisters us is obeyed: no beat, no return, and the app serves on', async context => {
  const registry = await testRegistry(context)
  let isUp = true
  const registration = await registered(context, registry.url, { checks: { db: () => isUp } })
  registry.deregister(registration.instanceId)
  await until('deregistered', () => registration.state === 'deregistered')
  const before = registry.requests.length
  isUp = false
  await until('the checks go on, since /healthz does', () => registration.healthz().httpStatus === 503)
  await delay(300)
  assert.equal(registry.requests.length, before)
  assert.deepEqual(registration.seen, ['deregistered'])
})

test('superseded: lost, and back with a new id; a fixed id stays and waits for the other to go', async context => {
  const registry = await testRegistry(context)
  const free = await registered(context, registry.url)
  const fixed = await registered(context, registry.url, { instanceId: 'fixed' })
  const { instanceId } = free
  registry.supersede(free.instanceId)
  registry.supersede('fixed')
  await until('both back', () => free.seen.length === 2 && fixed.seen.length === 2)
  assert.deepEqual(free.seen, ['lost', 'reregistered'])
  assert.notEqual(free.instanceId, instanceId)
  assert.equal(fixed.instanceId, 'fixed')
  registry.fail({ status: 409, code: 'ROLLCALL_INSTANCE_CONFLICT' })
  const late = await registered(context, registry.url, { instanceId: 'other', ttlMs: 300 })
  assert.equal(late.state, 'retrying')
  registry.fail('none')
  await until('registered', () => late.state === 'registered')
})

test('several registries: a dead, a failing and a hanging one are passed over', async context => {
  const registry = await testRegistry(context)
  const failing = await testRegistry(context)
  const hanging = await testRegistry(context)
  failing.fail('error')
  hanging.fail('hang')
  const urls = [`http://127.0.0.1:${await freePort()}`, failing.url, hanging.url, registry.url]
  const registration = await registered(context, urls, { ttlMs: 3000 })
  assert.equal(registration.state, 'registered')
  assert.equal(registry.instances().length, 1)
  registry.fail('error')
  failing.fail('none')
  await until('registered at the second', () => failing.instances().length === 1)
  await until('registered', () => registration.state === 'registered')
})

const GARBAGE: Record<string, [status: number, type: string, text: string]> = {
  'a page': [200, 'text/html', '<html>hello'],
  'a page that says JSON': [200, 'application/json', '<html>hello'],
  'JSON that is cut off': [200, 'application/json', GRANTED.slice(0, -3)],
  'JSON of another kind': [201, 'application/json', '{"incarnation":"1"}'],
  null: [200, 'application/json', 'null'],
  'a redirection': [302, 'text/html', ''],
  "a proxy's 404": [404, 'text/html', '<html>not found'],
  "a proxy's 410 in JSON": [410, 'application/json', '{"error":"gone"}'],
  'more than a registry ever says': [200, 'application/json', `"${'x'.repeat(2 ** 21)}"`],
}

for (const [what, [status, type, text]] of Object.entries(GARBAGE)) {
  test(`an answer that is not from a registry is passed over and loses no lease: ${what}`, async context => {
    let isGarbage = true
    const { port } = await serve(context, (request, response) => {
      request.resume().on('end', () => {
        if (isGarbage) response.writeHead(status, { 'content-type': type, location: '/' }).end(text)
        else response.end(request.method === 'DELETE' || request.url?.endsWith('/heartbeat') ? '' : GRANTED)
      })
    })
    const url = `http://127.0.0.1:${port}`
    const logger = memoryLogger()
    const alone = await registered(context, url, { logger, ttlMs: 300 })
    assert.equal(alone.state, 'retrying')
    const code = errorIn(logger.lines[0])?.code
    assert.equal(code, text.length > 1e6 ? 'ROLLCALL_REGISTRY_UNREACHABLE' : 'ROLLCALL_ANSWER_INVALID')
    const good = await testRegistry(context)
    const among = await registered(context, [url, good.url])
    assert.equal(among.state, 'registered')
    assert.equal(good.instances().length, 1)
    isGarbage = false
    await until('registered', () => alone.state === 'registered')
    isGarbage = true
    await until('retrying', () => alone.state === 'retrying')
    isGarbage = false
    await until('registered', () => alone.state === 'registered')
    assert.ok(!alone.seen.includes('lost'), 'nobody said that the lease is lost')
  })
}

test('on, once and off', async context => {
  const registry = await testRegistry(context)
  const registration = await registered(context, registry.url)
  const calls: string[] = []
  const removed = () => calls.push('removed')
  registration.on('reregistered', ({ incarnation }) => calls.push(`on ${incarnation}`))
  registration.once('reregistered', () => calls.push('once'))
  registration.on('reregistered', removed).off('reregistered', removed)
  for (const count of [2, 4]) {
    registry.expire(registration.instanceId)
    await until('registered again', () => registration.seen.length === count)
  }
  assert.deepEqual(calls, ['on 2', 'once', 'on 3'])
  assert.throws(() => registration.on('lost', undefined as never), TypeError)
})
