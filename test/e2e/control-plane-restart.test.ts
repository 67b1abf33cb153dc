/** The whole control plane goes and comes again, with and without what it had: Envoy's configuration never shrinks. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import type { EdsServer, Envoy } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { CONTROL_PLANE_BOOTSTRAPS } from '../world/bootstrap.ts'
import { Backend } from '../world/control-plane.ts'
import { activeClusters, activeListeners } from '../world/dynamic-envoy.ts'
import { answers, inSync, startDynamicScene } from '../world/dynamic-scene.ts'
import { moreRequests } from '../world/front.ts'
import { isConnected, ready } from '../world/members.ts'
import { edsCluster, putResource, registerHost, routesByPrefix } from '../world/resource-files.ts'
import { inWorld, type World } from '../world/world.ts'

const LEASE_TTL = ['--lease-ttl', '3s']

/** Kills the server, and starts the next one on its ports when `meanwhile` has been done. */
async function succeeded(
  world: World,
  registry: EdsServer,
  args: readonly string[],
  meanwhile: () => void = () => undefined,
): Promise<EdsServer> {
  await registry.child.stop('SIGKILL')
  meanwhile()
  const { grpcPort, httpPort } = registry
  return await world.startRegistry({ grpcPort, httpPort, args })
}

/** Resolves when the server is warm, Envoy is connected to it, and traffic has gone on since. */
async function settled(
  registry: EdsServer,
  envoy: Envoy,
  load: Parameters<typeof moreRequests>[0],
): Promise<void> {
  await ready(registry)
  await until('Envoy is connected', () => isConnected(envoy))
  await moreRequests(load, 500)
}

describe('a restart of the control plane takes nothing away', { concurrency: 2 }, () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `${bootstrap}: killed; without directory and store; with a file that went wrong (X-40)`,
      inWorld(async (world, t) => {
        const data = join(world.folder, 'data')
        const kept = ['--data-dir', data, ...LEASE_TTL]
        const scene = await startDynamicScene(world, bootstrap, kept)
        const { envoy, url, directory } = scene
        const args = ['--resources', directory, ...kept]
        await using second = await Backend.start('second')
        await registerHost(scene.registry, 'second', second.port)
        await putResource(scene.registry, 'clusters', edsCluster('second'))
        const routes = { '/second': 'second', '/': 'example_cluster' }
        await putResource(scene.registry, 'routes', routesByPrefix('local_route', routes))
        await answers(`${url}second`, 'second')
        await inSync(scene.registry)
        const load = await world.startLoad({ url, ratePerSecond: 500 })
        const all = [['example_cluster', 'second'], ['listener_0']]
        const has = async (): Promise<string[][]> => [
          [...(await activeClusters(envoy)).keys()].sort(),
          await activeListeners(envoy),
        ]
        const removed = async (): Promise<number> =>
          (await envoy.admin.stat('cluster_manager.cluster_removed')) +
          (await envoy.admin.stat('listener_manager.listener_removed'))

        let registry = await succeeded(world, scene.registry, args)
        await inSync(registry)
        await settled(registry, envoy, load)
        assert.deepEqual([await has(), await removed()], [all, 0], 'after kill -9')

        const aside = join(world.folder, 'aside')
        registry = await succeeded(world, registry, args, () => {
          renameSync(directory, aside)
          mkdirSync(directory)
          renameSync(data, `${data}.aside`)
        })
        // The store of registrations is gone too; hosts register again, as the SDK does by itself.
        await registerHost(registry, 'second', second.port)
        await settled(registry, envoy, load)
        assert.deepEqual([await has(), await removed()], [all, 0], 'with an empty directory and store')
        await answers(`${url}second`, 'second')

        registry = await succeeded(world, registry, args, () => {
          for (const path of [directory, data]) rmSync(path, { recursive: true })
          renameSync(aside, directory)
          renameSync(`${data}.aside`, data)
          const text = readFileSync(join(directory, 'clusters.yaml'), 'utf8')
          writeFileSync(join(directory, 'clusters.yaml'), text.replace('LOGICAL_DNS', 'LOGICAL_DSN'))
        })
        await settled(registry, envoy, load)
        assert.deepEqual([await has(), await removed()], [all, 0], 'with a file that is wrong')

        const text = readFileSync(join(directory, 'clusters.yaml'), 'utf8')
        writeFileSync(join(directory, 'clusters.yaml'), text.replace('LOGICAL_DSN', 'LOGICAL_DNS'))
        await inSync(registry)
        await answers(`${url}second`, 'second')
        const report = await load.stop()
        t.diagnostic(describeReport(report))
        assert.deepEqual([await has(), await removed(), report.failed], [all, 0, 0], describeReport(report))
      }),
    )
  }
})
