/**
 * The two walks of REST discovery against a real Envoy that polls: hosts are registered by hand as lists, shared
 * out by weight, taken away, and outlive the EDS server.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EdsServer, Upstream } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { get, moreRequests } from '../world/front.ts'
import { inWorld, type World, type WorldEnvoy } from '../world/world.ts'

const REQUESTS = 5000

interface Scene {
  readonly registry: EdsServer
  readonly envoy: WorldEnvoy
  readonly upstreams: readonly Upstream[]
}

/** An EDS server that knows nobody, an Envoy that polls it, and upstreams that register nowhere. */
async function startScene(world: World, count: number): Promise<Scene> {
  const registry = await world.startRegistry()
  const envoy = await world.startEnvoy({ registry, bootstrap: 'eds-rest.yaml' })
  const upstreams: Upstream[] = []
  for (let index = 0; index < count; index += 1) upstreams.push(await startSilent(world, registry))
  return { registry, envoy, upstreams }
}

function startSilent(world: World, registry: EdsServer): Promise<Upstream> {
  return world.startUpstream({ registry, args: ['--registry', 'none'], unregistered: true })
}

async function call(
  registry: EdsServer,
  method: string,
  upstreams: readonly Upstream[],
  weights: readonly number[] = [],
): Promise<number> {
  const hosts = upstreams.map(({ port }, index) => ({
    ip_address: '127.0.0.1',
    port,
    tags: { az: 'us-central1-a', canary: false, load_balancing_weight: weights[index] ?? 50 },
  }))
  const answer = await fetch(`${registry.url}/edsservice/myservice`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ hosts }),
  })
  await answer.arrayBuffer()
  return answer.status
}

/** Every host is a member with this weight, and passes its health checks. */
async function untilServing({ envoy }: Scene, upstreams: readonly Upstream[]): Promise<void> {
  await until(`Envoy has ${upstreams.length} healthy hosts`, async () => {
    const hosts = (await envoy.admin.hosts()).filter(({ flags }) => flags.length === 0)
    return (
      hosts
        .map(({ address }) => address)
        .sort()
        .join() ===
      upstreams
        .map(({ address }) => address)
        .sort()
        .join()
    )
  })
}

/** The share of each upstream in so many requests, of which none may fail. */
async function shares(world: World, { envoy }: Scene, upstreams: readonly Upstream[]): Promise<number[]> {
  const load = await world.startLoad({ url: envoy.url, concurrency: 8 })
  await moreRequests(load, REQUESTS)
  const { requests, failed, bodies, errors } = await load.stop()
  assert.equal(failed, 0, JSON.stringify(errors))
  return upstreams.map(({ uuid }) => (bodies[uuid]?.count ?? 0) / requests)
}

function assertShares(seen: readonly number[], expected: readonly number[]): void {
  seen.forEach((share, index) => {
    assert.ok(Math.abs(share - (expected[index] ?? 0)) <= 0.03, `${seen} instead of ${expected}`)
  })
}

describe('the walks over REST', () => {
  test(
    'add an endpoint, replace it, delete it',
    inWorld(async world => {
      const scene = await startScene(world, 2)
      const { registry, envoy, upstreams } = scene
      const [first, second] = upstreams as [Upstream, Upstream]
      const nobody = await get(envoy.url)
      assert.deepEqual([nobody.status, nobody.body], [503, 'no healthy upstream'])
      assert.equal(nobody.headers['content-length'], '19')

      assert.equal(await call(registry, 'PUT', [first]), 404)
      assert.equal(await call(registry, 'POST', [first]), 201)
      const one = await until('the first answers', async () => {
        const answer = await get(envoy.url)
        return answer.status === 200 && answer
      })
      assert.equal(one.body, first.uuid)
      assert.equal(one.headers['content-length'], '36')
      assert.equal(await call(registry, 'POST', [second]), 409)
      assert.equal(await call(registry, 'PUT', [second]), 200)
      await until('the second answers', async () => (await get(envoy.url)).body === second.uuid)
      assert.equal(await call(registry, 'PUT', []), 200)
      await until('nobody answers', async () => (await get(envoy.url)).status === 503)
      assert.equal((await get(envoy.url)).body, 'no healthy upstream')
      assert.equal(await call(registry, 'PUT', [first, second]), 200)
      await untilServing(scene, [first, second])

      const deleted = await fetch(`${registry.url}/edsservice/myservice`, { method: 'DELETE' })
      assert.equal(deleted.status, 204)
      await until('nobody answers', async () => (await get(envoy.url)).status === 503)
      assert.equal(await envoy.admin.stat('cluster.service_backend.update_rejected'), 0)
    }),
  )

  test(
    'five hosts of equal weight share the requests, and weights of 1 to 3 share them so',
    inWorld(async (world, t) => {
      const scene = await startScene(world, 5)
      const { registry, upstreams } = scene
      await call(registry, 'POST', upstreams)
      await untilServing(scene, upstreams)
      const five = await shares(world, scene, upstreams)
      assertShares(five, [0.2, 0.2, 0.2, 0.2, 0.2])

      const two = upstreams.slice(0, 2)
      await call(registry, 'PUT', two, [25, 75])
      await untilServing(scene, two)
      const weighted = await shares(world, scene, two)
      assertShares(weighted, [0.25, 0.75])
      const shown = (each: readonly number[]) => each.map(share => `${(share * 100).toFixed(1)} %`).join(', ')
      t.diagnostic(`equal: ${shown(five)}; 25 to 75: ${shown(weighted)}`)
    }),
  )

  test(
    'Envoy goes on serving while the EDS server is gone, and after it came back knowing nothing',
    inWorld(async (world, t) => {
      const scene = await startScene(world, 5)
      const { registry, envoy, upstreams } = scene
      await call(registry, 'POST', upstreams)
      await untilServing(scene, upstreams)
      const load = await world.startLoad({ url: envoy.url, ratePerSecond: 500 })
      const failures = () => envoy.admin.stat('cluster.service_backend.update_failure')
      const before = await failures()
      assert.deepEqual(await registry.child.stop(), { code: 0, signal: null })
      await until('Envoy has noticed', async () => (await failures()) > before + 2)
      await moreRequests(load, 500)

      const { grpcPort, httpPort } = registry
      const successor = await world.startRegistry({ grpcPort, httpPort })
      const polls = () => envoy.admin.stat('cluster.eds_cluster.upstream_rq_503')
      const polled = await polls()
      // Of a name that it never heard of it says nothing to who has something.
      await until('Envoy has asked it', async () => (await polls()) > polled + 2, { withinMs: 20_000 })
      await moreRequests(load, 500)
      assert.equal((await envoy.admin.hosts()).length, 5)
      assert.equal(await call(successor, 'POST', upstreams.slice(0, 4)), 201)
      await until('Envoy follows it again', async () => (await envoy.admin.hosts()).length === 4)
      await moreRequests(load, 500)
      const { failed, requests, errors } = await load.stop()
      assert.equal(failed, 0, JSON.stringify(errors))
      t.diagnostic(`${requests} requests, ${failed} failed`)
    }),
  )

  test(
    'a registration of every kind reaches Envoy over REST and over gRPC',
    inWorld(async world => {
      const { registry, envoy, upstreams } = await startScene(world, 3)
      const [byGet, byList, byForm] = upstreams as [Upstream, Upstream, Upstream]
      const grpc = await world.startEnvoy({ registry, nodeId: 'grpc' })
      const bySdk = await world.startUpstream({ registry })
      await fetch(`${registry.url}/edsservice/register?endpoint=${byGet.address}`)
      assert.equal(await call(registry, 'PUT', [bySdk, byGet, byList]), 200)
      const form = await fetch(`${registry.url}/v1/registration/myservice`, {
        method: 'POST',
        body: new URLSearchParams({
          ip: '127.0.0.1',
          port: String(byForm.port),
          tags: '{"load_balancing_weight":50}',
        }),
      })
      assert.equal(form.status, 200)
      const expected = [bySdk, byGet, byList, byForm].map(({ address }) => address).sort()
      for (const each of [envoy, grpc]) {
        await until('Envoy has all four', async () => {
          const addresses = (await each.admin.hosts()).map(({ address }) => address)
          return addresses.sort().join() === expected.join()
        })
      }
    }),
  )
})
