/**
 * The SDK's word is Envoy's word: `live()` and `gone()` resolve when every connected Envoy has acknowledged, and
 * name the one that has not.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type DeliveryError, register } from '@rollcall/sdk'
import { until } from '../../scripts/processes/until.ts'
import { EDS_FORMS } from '../world/bootstrap.ts'
import { BreakableLink } from '../world/breakable-link.ts'
import { freePort, inWorld, type WorldEnvoy } from '../world/world.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('live() and gone()', () => {
  for (const bootstrap of EDS_FORMS) {
    test(
      `resolve when both Envoys have it, or are rid of it (${bootstrap})`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry()
        const envoys = await Promise.all(
          ['front-1', 'front-2'].map(nodeId => world.startEnvoy({ registry, nodeId, bootstrap })),
        )
        const options = { registry: registry.url, service: 'myservice', logger: silent }
        const membersOfBoth = async (): Promise<string[][]> => await Promise.all(envoys.map(addressesOf))
        for (let life = 0; life < 5; life++) {
          const port = await freePort()
          await using registration = await register({ ...options, port })
          const live = await registration.live()
          // No waiting here: what was promised is true at once.
          assert.deepEqual(await membersOfBoth(), [[`127.0.0.1:${port}`], [`127.0.0.1:${port}`]])
          assert.deepEqual(live, { subscribers: 2, acked: 2, pending: [] })

          await registration.drain()
          assert.deepEqual(await membersOfBoth(), [[], []])
          const gone = await registration.gone()
          assert.deepEqual(gone, { subscribers: 2, acked: 2, pending: [] })
        }
        t.diagnostic('5 lives, seen by 2 Envoys each')
      }),
    )
  }

  test(
    'name the Envoy that does not acknowledge, and resolve once it does',
    inWorld(async world => {
      const registry = await world.startRegistry()
      const start = (nodeId: string) => world.startEnvoy({ registry, nodeId })
      const [quick, laggard] = [await start('quick'), await start('laggard')]
      const port = await freePort()
      laggard.child.signal('SIGSTOP')
      const options = {
        registry: registry.url,
        service: 'myservice',
        logger: silent,
        port,
        ackTimeoutMs: 300,
      }
      await using registration = await register(options)
      await assert.rejects(registration.live({ timeoutMs: 500 }), (error: DeliveryError) => {
        assert.equal(error.code, 'ROLLCALL_NOT_LIVE')
        assert.match(error.message, /laggard/)
        assert.doesNotMatch(error.message, /quick/)
        return true
      })
      assert.deepEqual(await addressesOf(quick), [`127.0.0.1:${port}`])
      laggard.child.signal('SIGCONT')
      assert.equal((await registration.live()).acked, 2)
      assert.deepEqual(await addressesOf(laggard), [`127.0.0.1:${port}`])

      laggard.child.signal('SIGSTOP')
      const { laggards } = await registration.drain()
      assert.deepEqual(laggards, ['laggard'])
      laggard.child.signal('SIGCONT')
      await registration.gone()
      assert.deepEqual(await addressesOf(laggard), [])
    }),
  )

  for (const bootstrap of ['eds-grpc.yaml', 'ads-delta-grpc.yaml'] as const) {
    test(
      `wait for an Envoy whose stream breaks at the moment of the drain (${bootstrap})`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry({ args: ['--lease-ttl', '3s'] })
        await using link = await BreakableLink.to(registry.grpcPort)
        const through = { grpcPort: link.port, httpPort: registry.httpPort }
        const envoy = await world.startEnvoy({ registry: through, nodeId: 'unlucky', bootstrap })
        const port = await freePort()
        const options = {
          registry: registry.url,
          service: 'myservice',
          logger: silent,
          port,
          ackTimeoutMs: 300,
        }
        await using registration = await register(options)
        await registration.live()
        link.break()
        await until('the server to notice', async () => !(await namesOfNodes(registry)).includes('unlucky'))
        const { laggards, drained } = await registration.drain()
        assert.deepEqual([drained?.pending[0]?.state, laggards], ['DISCONNECTED', ['unlucky']])
        assert.deepEqual(await addressesOf(envoy), [`127.0.0.1:${port}`], 'it still has it')
        link.mend()
        const startedAt = performance.now()
        await registration.gone()
        // No waiting here: what was promised is true at once.
        assert.deepEqual(await addressesOf(envoy), [])
        t.diagnostic(
          `gone ${(performance.now() - startedAt).toFixed(0)} ms after the connection could be made again`,
        )
      }),
    )
  }

  test(
    'wait for the Envoys of before a restart of the EDS server',
    inWorld(async world => {
      const args = ['--data-dir', join(world.folder, 'data')]
      const first = await world.startRegistry({ args })
      const envoy = await world.startEnvoy({ registry: first })
      const port = await freePort()
      const logged: string[] = []
      const logger = { ...silent, warn: (_details: object, message: string) => void logged.push(message) }
      const options = { registry: first.url, service: 'myservice', logger, port, ackTimeoutMs: 10_000 }
      await using registration = await register(options)
      await registration.live()
      await first.child.stop('SIGKILL')
      const { grpcPort, httpPort } = first
      await world.startRegistry({ args, grpcPort, httpPort })
      const { deregistered } = await registration.drain()
      // No waiting here: what was promised is true at once.
      assert.deepEqual(await addressesOf(envoy), [])
      assert.deepEqual(deregistered, { subscribers: 1, acked: 1, pending: [] }, logged.join('\n'))
    }),
  )

  test(
    'do not count an Envoy that has gone, once it cannot be expected back',
    inWorld(async world => {
      const registry = await world.startRegistry()
      const start = (nodeId: string) => world.startEnvoy({ registry, nodeId })
      const [, leaver] = [await start('stayer'), await start('leaver')]
      await leaver.child.stop('SIGKILL')
      await using registration = await register({
        ...{ registry: registry.url, service: 'myservice', logger: silent, port: await freePort() },
      })
      await until('only one is counted', async () => (await registration.live()).subscribers === 1)
    }),
  )
})

async function namesOfNodes({ url }: { url: string }): Promise<string[]> {
  const { nodes } = (await (await fetch(`${url}/v1/nodes`)).json()) as { nodes: { node: string }[] }
  return nodes.map(({ node }) => node)
}

async function addressesOf({ admin }: WorldEnvoy): Promise<string[]> {
  return (await admin.hosts()).map(({ address }) => address)
}
