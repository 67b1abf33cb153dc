/** The first command of a newcomer. It needs its fixed ports: 5000, 8080 to 8083, 9901 and 10000. */
import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Child } from '../../scripts/processes/child.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { inWorld, type World } from '../world/world.ts'

const PORTS = [5000, 8080, 8081, 8082, 8083, 9901, 10000]

function demo(world: World, ...args: string[]): Child {
  const script = join(ROOT, 'scripts', 'demo.ts')
  return world.adopt(
    new Child({ name: 'demo', command: process.execPath, args: ['--import', 'tsx', script, ...args] }),
  )
}

describe('the demo', () => {
  test(
    'shows with --once what it promises, exits with 0 and leaves nothing behind',
    inWorld(async world => {
      const child = demo(world, '--once')
      assert.deepEqual(await child.exited, { code: 0, signal: null }, child.tail(50))
      const output = child.lines.join('\n')
      assert.match(output, /503 "no healthy upstream"/)
      assert.match(output, /rolling restart under traffic: [\d,]+ requests in .*, 0 failed/)
      assert.equal((output.match(/^ {8}808[123] {2}[0-9a-f-]{36}$/gm) ?? []).length, 6)
      assert.ok(!output.includes('\u001b'), 'colours although this is no terminal')
      await noneListens()
    }),
  )

  test(
    'stays up until Ctrl-C, then stops everything and exits with 0',
    inWorld(async world => {
      const child = demo(world)
      await child.line('that everything is up', line =>
        line.includes('Everything is up') ? line : undefined,
      )
      const answer = await fetch('http://127.0.0.1:10000/')
      assert.equal((await answer.text()).length, 36)
      assert.deepEqual(await child.stop('SIGINT'), { code: 0, signal: null })
      await noneListens()
    }),
  )

  test(
    'stops in the middle when it is asked to',
    inWorld(async world => {
      const child = demo(world)
      await child.line('that Envoy is up', line => (line.includes('Envoy: ') ? line : undefined))
      assert.deepEqual(await child.stop('SIGTERM'), { code: 130, signal: null })
      await noneListens()
    }),
  )

  test(
    'names the port that is in use, and what for, in one line',
    inWorld(async world => {
      const server = createServer()
      await new Promise<void>(resolve => server.listen(8082, '127.0.0.1', resolve))
      try {
        const child = demo(world, '--once')
        assert.deepEqual(await child.exited, { code: 1, signal: null })
        assert.equal(child.lines.length, 1, child.tail())
        assert.match(child.lines[0] ?? '', /^demo: port 8082 \(needed for an upstream\) is in use/)
      } finally {
        server.close()
      }
    }),
  )
})

async function noneListens(): Promise<void> {
  const open = await Promise.all(PORTS.map(async port => ((await isOpen(port)) ? [port] : [])))
  assert.deepEqual(open.flat(), [])
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
