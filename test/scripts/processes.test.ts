/** The tools that the suites and the demo stand on: children that end with us, and a load that counts everything. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Child } from '../../scripts/processes/child.ts'
import { startLoad } from '../../scripts/processes/load.ts'
import type { RequestRecords } from '../../scripts/processes/load-book.ts'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { until, within } from '../../scripts/processes/until.ts'
import { inWorld, type World } from '../world/world.ts'

function node(script: string, name = 'script'): Child {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
  return new Child({ name, command: process.execPath, args })
}

const FOR_EVER = 'console.log("up"); setTimeout(() => {}, 1e9)'
const up = (line: string): true | undefined => (line === 'up' ? true : undefined)

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a child process', () => {
  test('is awaited by what it prints, whenever it was printed', async () => {
    await using child = node(FOR_EVER)
    assert.equal(await child.line('up', up), true)
    assert.equal(await child.line('up', up), true)
  })

  test('that ends too early is reported with its output and exit code', async () => {
    await using child = node('console.error("the reason"); process.exitCode = 7')
    await assert.rejects(child.line('up', up), /script: ended \(exit 7\) before: up\n {4}the reason/)
  })

  test('that cannot start is reported', async () => {
    await using child = new Child({ name: 'nothing', command: '/nowhere/nothing', args: [] })
    await assert.rejects(child.line('up', up), /nothing: .*ENOENT/)
  })

  test('that ignores SIGTERM is killed, and that is an error', async () => {
    await using child = node(`process.on('SIGTERM', () => {}); ${FOR_EVER}`)
    await child.line('up', up)
    await assert.rejects(child.stop('SIGTERM', 100), /script to end on SIGTERM/)
    assert.deepEqual(await child.exited, { code: null, signal: 'SIGKILL' })
  })

  for (const end of ['process.exit(3)', 'throw new Error("unexpected")']) {
    test(`does not outlive its parent (${end})`, async () => {
      const file = JSON.stringify(join(ROOT, 'scripts', 'processes', 'child.ts'))
      await using parent = node(`
        import { Child } from ${file}
        const child = new Child({ name: 'c', command: process.execPath, args: ['-e', ${JSON.stringify(FOR_EVER)}] })
        await child.line('up', line => line)
        console.log('pid ' + child.pid)
        ${end}`)
      const pid = await parent.line('pid', line =>
        line.startsWith('pid ') ? Number(line.slice(4)) : undefined,
      )
      await parent.exited
      await until('the grandchild is gone', () => !isRunning(pid))
    })
  }
})

describe('a world', () => {
  test('ends with a test that fails or hangs', async t => {
    const bodies: Record<string, (world: World) => Promise<void>> = {
      fails: () => Promise.reject(new Error('on purpose')),
      hangs: () => new Promise(() => undefined),
    }
    for (const body of Object.values(bodies)) {
      let child: Child | undefined
      let folder = ''
      const run = inWorld(
        async world => {
          child = world.adopt(node(FOR_EVER))
          folder = world.folder
          await child.line('up', up)
          await body(world)
        },
        { withinMs: 2000 },
      )
      await assert.rejects(run(t), /on purpose|not within 2000 ms: the test to end/)
      assert.equal(child?.running, false)
      assert.equal(existsSync(folder), false)
    }
  })
})

describe('waiting', () => {
  test('says what was awaited and what was seen last', async () => {
    await assert.rejects(
      until('the moon', () => Promise.reject(new Error('cloudy')), { withinMs: 20, everyMs: 5 }),
      /not within 20 ms: the moon \(last seen: cloudy\)/,
    )
    await assert.rejects(within(20, 'the sun', new Promise(() => undefined)), /not within 20 ms: the sun/)
    assert.equal(await until('zero is a value', () => 0), 0)
  })
})

/** Ten requests in turn: seven answers, a 500, a 503 and a connection that breaks. */
function fickle(): RequestListener {
  let count = 0
  return (request, response) => {
    const turn = count++ % 10
    if (turn === 3) response.writeHead(500).end('sorry')
    else if (turn === 5) response.writeHead(503).end('later')
    else if (turn === 7) {
      if (request.httpVersionMajor === 2)
        (response as unknown as { stream: { close(code: number): void } }).stream.close(2)
      else request.socket.destroy()
    } else response.end('hello')
  }
}

async function listening(server: Server | Http2Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe('the load', () => {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    test(`counts every request once (${protocol})`, async () => {
      const listener = fickle()
      const server = protocol === 'h2' ? createHttp2Server(listener as never) : createServer(listener)
      await using load = await startLoad({ url: await listening(server), protocol, concurrency: 4 })
      await until('200 requests', async () => (await load.report()).requests > 200)
      const report = await load.stop()
      server.close()

      const of = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0)
      const good = report.bodies.hello?.count ?? 0
      assert.equal(report.requests, good + report.failed, describeReport(report))
      assert.equal(report.failed, of(report.errors))
      assert.equal(good, report.statuses[200])
      const tenth = report.requests / 10
      for (const [what, count] of Object.entries(report.errors)) {
        assert.ok(Math.abs(count - tenth) <= 2, `${what}: ${count} of ${report.requests}`)
      }
      assert.equal(Object.keys(report.errors).length, 3, describeReport(report))
      assert.equal(report.errors['500 sorry'], report.statuses[500])
    })
  }

  test('keeps to its rate whatever the answers do, and counts the wait from when a request was due', async () => {
    const waiting: (() => void)[] = []
    let isStalled = false
    const server = createServer((_, response) => {
      if (isStalled) waiting.push(() => void response.end('late'))
      else response.end('hello')
    })
    await using load = await startLoad({ url: await listening(server), ratePerSecond: 100 })
    isStalled = true
    // A closed loop would stop sending here.
    await until('requests go on unanswered', () => waiting.length >= 60)
    isStalled = false
    for (const answer of waiting) answer()
    await until('all are answered', async () => (await load.report()).requests >= 80)
    const report = await load.stop()
    server.close()
    assert.ok(report.requests <= 100 * report.seconds + 1, describeReport(report))
    assert.ok(report.mostInFlight >= 60)
    assert.equal(report.bodies.late?.count, waiting.length)
    assert.ok(report.p99Ms >= 400 && report.slowestMs >= report.p99Ms - 1, `${report.p99Ms}`)
  })

  test('records every request in a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-'))
    const recordTo = join(folder, 'load.jsonl')
    const server = createServer(fickle())
    await using load = await startLoad({ url: await listening(server), ratePerSecond: 500, recordTo })
    await until('1,100 requests', async () => (await load.report()).requests > 1100)
    const report = await load.stop()
    server.close()
    const lines = readFileSync(recordTo, 'utf8').trim().split('\n')
    const records = lines.map(line => JSON.parse(line) as RequestRecords)
    const outcomes = records.flatMap(({ outcomes, results }) => results.map(([, , index]) => outcomes[index]))
    assert.equal(outcomes.length, report.requests)
    assert.equal(outcomes.filter(outcome => outcome !== '200 hello').length, report.failed)
    rmSync(folder, { recursive: true })
  })
})
