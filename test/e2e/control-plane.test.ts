/** The whole control plane with a real Envoy that has nothing but where to ask: files, the API over HTTP and gRPC. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import type { Envoy } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { anyOf } from '../eds-server/resources/documents.ts'
import { ResourcesClient } from '../eds-server/resources/resources-client.ts'
import { CONTROL_PLANE_BOOTSTRAPS } from '../world/bootstrap.ts'
import { Backend } from '../world/control-plane.ts'
import { activeClusters, activeListeners, activeRoutes } from '../world/dynamic-envoy.ts'
import { answers, inSync, nodesOf, startDynamicScene } from '../world/dynamic-scene.ts'
import { moreRequests } from '../world/front.ts'
import {
  deleteResource,
  edsCluster,
  httpListener,
  putResource,
  registerHost,
  routesByPrefix,
} from '../world/resource-files.ts'
import { freePort, inWorld } from '../world/world.ts'

const SWITCHES = 3

/** Milliseconds until Envoy uses the cluster. */
async function activeAfter(envoy: Envoy, name: string, startedAt: number): Promise<number> {
  const isActive = async (): Promise<boolean> => (await activeClusters(envoy)).has(name)
  await until(`${name} is active`, isActive, { withinMs: 5000, everyMs: 1 })
  return performance.now() - startedAt
}

describe('the whole control plane', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `${bootstrap}: what the files have is served; a cluster more by HTTP, and one by gRPC, under load`,
      inWorld(async (world, t) => {
        const { registry, envoy, url } = await startDynamicScene(world, bootstrap)
        const threshold = (): Promise<string | undefined> =>
          envoy.admin.runtime('upstream.healthy_panic_threshold')
        await until('the layer of the runtime is there', async () => (await threshold()) === '50')
        const load = await world.startLoad({ url, ratePerSecond: 1000 })

        await using second = await Backend.start('second')
        await registerHost(registry, 'second', second.port)
        const putAt = performance.now()
        await putResource(registry, 'clusters', edsCluster('second'))
        const byHttpMs = await activeAfter(envoy, 'second', putAt)
        const two = { '/second': 'second', '/': 'example_cluster' }
        await putResource(registry, 'routes', routesByPrefix('local_route', two))
        await answers(`${url}second`, 'second')

        await using third = await Backend.start('third')
        await registerHost(registry, 'third', third.port)
        using client = await ResourcesClient.connect(registry.grpcPort)
        const grpcAt = performance.now()
        await client.call('Put', { resource: anyOf(edsCluster('third')) })
        const byGrpcMs = await activeAfter(envoy, 'third', grpcAt)
        const three = { '/third': 'third', ...two }
        await client.call('Put', { resource: anyOf(routesByPrefix('local_route', three)) })
        await answers(`${url}third`, 'third')
        await answers(`${url}second`, 'second')

        await moreRequests(load, 500)
        const report = await load.stop()
        t.diagnostic(describeReport(report))
        t.diagnostic(
          `active ${byHttpMs.toFixed(0)} ms after PUT and ${byGrpcMs.toFixed(0)} ms after Put, looks included`,
        )
        assert.equal(report.failed, 0, describeReport(report))
        await inSync(registry)
        assert.deepEqual([...(await activeClusters(envoy)).keys()].sort(), [
          'example_cluster',
          'second',
          'third',
        ])
        assert.deepEqual(await activeListeners(envoy), ['listener_0'])
        assert.deepEqual(await activeRoutes(envoy), ['local_route'])
        const dump = await fetch(`${registry.url}/v1/resources?view=full`)
        const { resources, errors } = (await dump.json()) as {
          resources: { type: string; name: string; origin: string; resource: { '@type': string } }[]
          errors: unknown[]
        }
        assert.deepEqual(
          resources.map(({ type, name, origin }) => `${type} ${name} ${origin}`),
          [
            'clusters example_cluster files',
            'clusters second api',
            'clusters third api',
            'listeners listener_0 files',
            'routes local_route api',
            'runtime runtime-0 files',
          ],
        )
        assert.ok(resources.every(({ resource }) => resource['@type'].startsWith('type.googleapis.com/')))
        assert.deepEqual(errors, [])
      }),
    )
  }

  test(
    `${SWITCHES} times to another cluster by PUT, PUT, DELETE under load (X-32)`,
    inWorld(async (world, t) => {
      const { registry, envoy, url } = await startDynamicScene(world, 'control-plane.yaml')
      const load = await world.startLoad({ url, ratePerSecond: 1000 })
      let from = 'example_cluster'
      const slowest = { serves: 0, isGone: 0 }
      for (let count = 1; count <= SWITCHES; count += 1) {
        const to = `cluster-${count}`
        const upstream = world.keep(await Backend.start(to))
        await registerHost(registry, to, upstream.port)
        const startedAt = performance.now()
        await putResource(registry, 'clusters', edsCluster(to))
        await putResource(registry, 'routes', routesByPrefix('local_route', { '/': to }))
        if (count > 1) await deleteResource(registry, 'clusters', from)
        await answers(url, to)
        slowest.serves = Math.max(slowest.serves, performance.now() - startedAt)
        const isGone = async (): Promise<boolean> => !(await activeClusters(envoy)).has(from)
        if (count > 1) await until(`${from} is removed`, isGone)
        slowest.isGone = Math.max(slowest.isGone, performance.now() - startedAt)
        from = to
      }
      await moreRequests(load, 500)
      const report = await load.stop()
      t.diagnostic(describeReport(report))
      t.diagnostic(
        `slowest switch ${slowest.serves.toFixed(0)} ms, slowest removal ${slowest.isGone.toFixed(0)} ms`,
      )
      assert.equal(report.failed, 0, describeReport(report))
      await inSync(registry)
    }),
  )

  test(
    'a listener that Envoy cannot take is shown, and leaves the old one serving (F15)',
    inWorld(async (world, t) => {
      const { registry, envoy, port, url } = await startDynamicScene(world, 'control-plane-delta.yaml')
      await using taken = await Backend.start('another process')
      await using upstream = await Backend.start('late')
      await putResource(registry, 'clusters', edsCluster('late'))
      const listener = (at: number): ReturnType<typeof httpListener> =>
        httpListener('listener_0', at, 'local_route')
      const putAt = performance.now()
      await putResource(registry, 'listeners', listener(taken.port))
      const { node, nack } = await until('the refusal is shown', async () => {
        for (const { node, types } of await nodesOf(registry)) {
          const nacked = types.find(({ state }) => state === 'NACKED')
          if (nacked) return { node, nack: nacked }
        }
        return undefined
      })
      t.diagnostic(`shown ${(performance.now() - putAt).toFixed(0)} ms after PUT: ${JSON.stringify(nack)}`)
      assert.equal(node, 'test-id')
      assert.match(JSON.stringify(nack), /listener\.v3\.Listener/)
      assert.match(JSON.stringify(nack), /listener_0/)
      assert.match(JSON.stringify(nack), /[Aa]ddress already in use/)
      await answers(url, 'example')

      // What Envoy refuses holds up nothing else: endpoints and routes go on.
      await registerHost(registry, 'late', upstream.port)
      const routes = { '/late': 'late', '/': 'example_cluster' }
      await putResource(registry, 'routes', routesByPrefix('local_route', routes))
      await answers(`${url}late`, 'late')

      const other = await freePort()
      await putResource(registry, 'listeners', listener(other))
      await answers(`http://127.0.0.1:${other}/late`, 'late')
      await inSync(registry)
      assert.deepEqual(await activeListeners(envoy), ['listener_0'])
      assert.notEqual(other, port)
    }),
  )
})
