/** The EDS server as a command: what it says when it cannot start, and how it stops under a connected Envoy. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { Child } from '../../scripts/processes/child.ts'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { logged, spawnEdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { get, moreRequests } from '../world/front.ts'
import { freePort, inWorld, type World } from '../world/world.ts'

describe('the eds-server command', () => {
  for (const flag of ['--grpc-port', '--http-port']) {
    test(
      `says in one line that the port of ${flag} is in use, and exits with 1`,
      inWorld(async world => {
        const server = createServer()
        await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
        try {
          const address = server.address()
          assert.ok(address !== null && typeof address === 'object')
          const other = flag === '--grpc-port' ? '--http-port' : '--grpc-port'
          const child = eds(world, [flag, String(address.port), other, '0'])
          assert.deepEqual(await child.exited, { code: 1, signal: null })
          assert.equal(child.stderr.length, 1, child.stderr.join('\n'))
          assert.match(child.stderr[0] ?? '', new RegExp(`port.*${address.port}|${address.port}.*port`))
        } finally {
          server.close()
        }
      }),
    )
  }

  for (const wrong of [['--grcp-port', '1'], ['--grpc-port', 'eighty'], ['--lease-ttl', '-1s'], ['stray']]) {
    test(
      `refuses "${wrong.join(' ')}" in one line and exits with 2`,
      inWorld(async world => {
        const child = eds(world, wrong)
        assert.deepEqual(await child.exited, { code: 2, signal: null })
        assert.equal(child.stderr.length, 1, child.stderr.join('\n'))
        assert.ok(child.stderr[0]?.includes(wrong.at(-1) ?? '') || child.stderr[0]?.includes(wrong[0] ?? ''))
      }),
    )
  }

  test(
    'starts with npm run, and its exit code comes through',
    inWorld(async world => {
      const [grpcPort, httpPort] = [await freePort(), await freePort()]
      const ports = ['--grpc-port', String(grpcPort), '--http-port', String(httpPort), '--data-dir', 'none']
      const start = (name: string): Child =>
        world.adopt(
          new Child({ name, command: 'npm', args: ['run', '--silent', 'eds-server', '--', ...ports] }),
        )
      const first = start('npm-first')
      const { pid } = await first.line('its ready line', logged('ready'))
      const second = start('npm-second')
      assert.equal((await second.exited).code, 1)
      const complaints = second.stderr.filter(line => line.startsWith('rollcall-eds-server:'))
      assert.equal(complaints.length, 1, second.stderr.join('\n'))
      process.kill(Number(pid), 'SIGTERM')
      assert.deepEqual(await first.exited, { code: 0, signal: null })
    }),
  )

  test(
    'stops on SIGTERM with exit code 0 when nobody reads its log any more',
    inWorld(async world => {
      const registry = await world.startRegistry()
      registry.child.deafen()
      assert.deepEqual(await registry.child.stop('SIGTERM'), { code: 0, signal: null })
    }),
  )

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(
      `stops on ${signal} with exit code 0 under a connected Envoy, which keeps serving`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry()
        const envoy = await world.startEnvoy({ registry })
        await world.startUpstream({ registry })
        await until('it answers', async () => (await get(envoy.url)).status === 200)
        const load = await world.startLoad({ url: envoy.url, ratePerSecond: 500 })

        const startedAt = performance.now()
        assert.deepEqual(await registry.child.stop(signal), { code: 0, signal: null })
        t.diagnostic(`stopped in ${(performance.now() - startedAt).toFixed(0)} ms`)
        const connected = (): Promise<number> =>
          envoy.admin.stat('cluster.service_backend.control_plane.connected_state')
        await until('Envoy has lost its EDS server', async () => (await connected()) === 0)
        await moreRequests(load, 500)
        const report = await load.stop()
        assert.equal(report.failed, 0, describeReport(report))
      }),
    )
  }
})

function eds(world: World, args: readonly string[]): Child {
  return world.adopt(spawnEdsServer({ args }))
}
