/**
 * Services become clusters by themselves: with a policy, the first registration of a service makes it reachable, for
 * an Envoy that was given nothing but a bootstrap and for gRPC clients, with no restart and no file touched.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Registration, register } from '@rollcall/sdk'
import { quantile } from '../../scripts/bench/stats.ts'
import type { EnvoyAdmin } from '../../scripts/processes/envoy-admin.ts'
import { describeReport } from '../../scripts/processes/load-report.ts'
import type { EdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { CONTROL_PLANE_BOOTSTRAPS, type ControlPlaneBootstrap } from '../world/bootstrap.ts'
import { get, moreRequests, uuidsSeen } from '../world/front.ts'
import { startGrpcBackend, XdsClient } from '../world/grpc-backend.ts'
import { freePort, inWorld, type World } from '../world/world.ts'

/** At the end of a test everything ends at once: nobody is left to wait for. */
const QUIET = {
  logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  ackTimeoutMs: 1000,
  drainDelayMs: 0,
}

async function startRegistry(world: World, services: string): Promise<EdsServer> {
  const file = join(world.folder, 'policy.yaml')
  const listener = `{ name: front, port: ${await freePort()} }`
  writeFileSync(file, `listeners: [${listener}]\nservices: ${services}\n`)
  return await world.startRegistry({ args: ['--policy', file] })
}

/** An Envoy, once it has the policy's listener, and where that is. */
async function startFront(
  world: World,
  registry: EdsServer,
  bootstrap?: ControlPlaneBootstrap,
): Promise<{ admin: EnvoyAdmin; url: string }> {
  const { admin } = await world.startDynamicEnvoy({ registry, ...(bootstrap && { bootstrap }) })
  const port = await until('Envoy has the listener', () => admin.listenerPort('front'))
  return { admin, url: `http://127.0.0.1:${port}/` }
}

/** An app that says which service it is of; `/healthz` is the SDK's. */
async function startApp(service: string): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer((_request, response) => response.end(service))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe('a service that registers for the first time is reachable', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `through a running Envoy (${bootstrap})`,
      inWorld(async (world, t) => {
        const registry = await startRegistry(world, '[{ match: "*" }]')
        const envoy = await startFront(world, registry, bootstrap)
        const times: number[] = []
        for (let count = 1; count <= 20; count++) {
          const service = `service-${count}`
          const { port } = world.keep(await startApp(service))
          const startedAt = performance.now()
          world.keep(await register({ registry: registry.url, service, port, ...QUIET }))
          const answered = async () => (await get(`${envoy.url}${service}`)).status === 200
          await until(`${service} answers through Envoy`, answered, { withinMs: 10_000, everyMs: 1 })
          times.push(performance.now() - startedAt)
          assert.equal((await get(`${envoy.url}${service}/path?query`)).body, service)
        }
        const [p50, p99] = [0.5, 0.99].map(share => quantile(times, share).toFixed(0))
        t.diagnostic(
          `register() to the first 200 of a new service: p50 ${p50} ms, p99 ${p99} ms (20 services)`,
        )
        assert.equal((await get(`${envoy.url}unheard-of`)).status, 404)
      }),
    )
  }

  test(
    'while the others go on without a failed request',
    inWorld(async (world, t) => {
      const registry = await startRegistry(world, '[{ match: "*" }]')
      const envoy = await startFront(world, registry)
      await world.startUpstream({ registry })
      const url = `${envoy.url}myservice`
      await until('the first service answers', async () => (await uuidsSeen(url, 5)).size === 1)
      const load = await world.startLoad({ url, ratePerSecond: 500 })
      for (let count = 1; count <= 10; count++) {
        const service = `other-${count}`
        const { port } = world.keep(await startApp(service))
        world.keep(await register({ registry: registry.url, service, port, ...QUIET }))
        await until(service, async () => (await get(`${envoy.url}${service}`)).status === 200, { everyMs: 5 })
      }
      await moreRequests(load, 500)
      const report = await load.stop()
      t.diagnostic(describeReport(report))
      assert.equal(report.failed, 0)
    }),
  )

  test(
    'only as the policy says',
    inWorld(async world => {
      const rules =
        '[{ match: "internal-*", cluster: false }, { match: "*", routes: [{ hosts: ["{service}.test"] }] }]'
      const registry = await startRegistry(world, rules)
      const envoy = await startFront(world, registry)
      for (const service of ['internal-a', 'shop']) {
        const { port } = world.keep(await startApp(service))
        world.keep(await register({ registry: registry.url, service, port, ...QUIET }))
      }
      const ask = async (host: string) => (await get(envoy.url, { host })).status
      const answered = async (): Promise<boolean> => (await ask('shop.test')) === 200
      await until('the host is routed', answered, { withinMs: 10_000 })
      assert.equal(await ask('internal-a.test'), 404)
      assert.equal(await ask('127.0.0.1'), 404)
      await assert.rejects(envoy.admin.hosts('internal-a'), /no cluster/)
    }),
  )
})

describe('a gRPC client that dials xds:///<service>', () => {
  test(
    'spreads over the backends and follows a drain without an error',
    inWorld(async (world, t) => {
      const registry = await startRegistry(world, '[{ match: "*" }]')
      // Envoy is not told of what is meant for gRPC clients, which it would refuse.
      const envoy = await startFront(world, registry)
      const lives = new Map<string, Registration>()
      for (const name of ['one', 'two', 'three']) {
        const { port } = world.keep(await startGrpcBackend(name))
        lives.set(
          name,
          world.keep(await register({ registry: registry.url, service: 'greeter', port, ...QUIET })),
        )
      }
      const client = world.keep(new XdsClient('greeter', registry.grpcPort))
      const among = (count: number) => new Set(client.answers.slice(-count))
      await until('all three answer', async () => among(60).size === 3, { withinMs: 20_000 })
      const before = client.answers.length
      await lives.get('two')?.drain()
      const drainedAt = client.answers.length
      await until('more answers', async () => client.answers.length >= drainedAt + 200, { withinMs: 20_000 })
      assert.deepEqual(client.errors, [])
      assert.deepEqual([...new Set(client.answers.slice(drainedAt + 1))].sort(), ['one', 'three'])
      t.diagnostic(`${client.answers.length} calls, ${before} before the drain, 0 errors`)
      const { nodes } = (await (await fetch(`${registry.url}/v1/nodes`)).json()) as {
        nodes: { node: string; types: { state: string; nack?: object }[] }[]
      }
      assert.deepEqual(nodes.map(({ node }) => node).sort(), ['grpc-client', 'test-id'])
      for (const { types } of nodes) assert.ok(types.every(({ nack }) => nack === undefined))
      assert.equal(
        (await envoy.admin.stats('lds.update_rejected')).get('listener_manager.lds.update_rejected'),
        0,
      )
    }),
  )
})
