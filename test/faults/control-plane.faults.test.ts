/** Clusters, endpoints, listeners and routes change under load (F16, F17), and while Envoy waits for them (F18). */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { stringify } from 'yaml'
import { systemClock } from '../../eds-server/src/clock.ts'
import { XdsServer } from '../../eds-server/src/xds/grpc-server.ts'
import { LinearCache } from '../../eds-server/src/xds/linear-cache.ts'
import { CLUSTER, ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { SnapshotCache } from '../../eds-server/src/xds/snapshot-cache.ts'
import { quantile } from '../../scripts/bench/stats.ts'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { cluster } from '../conformance/resources.ts'
import { Backend } from '../world/control-plane.ts'
import { activeClusters, activeListeners } from '../world/dynamic-envoy.ts'
import { answers, inSync, startDynamicScene } from '../world/dynamic-scene.ts'
import { isConnected } from '../world/members.ts'
import {
  edsCluster,
  httpListener,
  putResource,
  registerHost,
  routesByPrefix,
  sampleResources,
} from '../world/resource-files.ts'
import { freePort } from '../world/world.ts'
import { scenario } from './scenario.ts'

const RATE = 500
const CHANGES = 50
const SWITCHES = 20
/** What Envoy needs at most for a changed cluster, and to initialise. */
const ACTIVE_MS = 100
const INITIALISED_MS = 1000

function shownTimes(times: readonly number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`
}

/** The titles name CHANGES and SWITCHES. */
const FORMS = [
  {
    bootstrap: 'control-plane.yaml',
    warming: 'a cluster changes 50 times, its endpoints never, state of the world',
    switching: 'cluster, endpoints, listener and routes change together 20 times, state of the world',
    replaced:
      'a cluster goes while its endpoints are awaited, and the server is replaced, state of the world',
  },
  {
    bootstrap: 'control-plane-delta.yaml',
    warming: 'a cluster changes 50 times, its endpoints never, delta',
    switching: 'cluster, endpoints, listener and routes change together 20 times, delta',
    replaced: 'a cluster goes while its endpoints are awaited, and the server is replaced, delta',
  },
] as const

for (const { bootstrap, warming, switching, replaced } of FORMS) {
  scenario('F16', warming, { target: `active ≤ ${ACTIVE_MS} ms; 0 failed` }, async ({ world }) => {
    const { registry, envoy, url } = await startDynamicScene(world, bootstrap)
    const upstream = world.keep(await Backend.start('x'))
    await registerHost(registry, 'x', upstream.port)
    await putResource(registry, 'clusters', edsCluster('x'))
    await putResource(registry, 'routes', routesByPrefix('local_route', { '/': 'x' }))
    await answers(url, 'x')
    const load = await world.startLoad({ url, ratePerSecond: RATE })
    const times: number[] = []
    for (let seconds = 2; seconds < CHANGES + 2; seconds += 1) {
      const startedAt = performance.now()
      await putResource(registry, 'clusters', edsCluster('x', seconds))
      const isActive = async (): Promise<boolean> => (await activeClusters(envoy)).get('x') === `${seconds}s`
      await until('the changed cluster is active', isActive, { withinMs: 20_000, everyMs: 1 })
      times.push(performance.now() - startedAt)
    }
    const report = await load.stop()
    return {
      measured: `${shownTimes(times)}, PUT and looks included; ${describeReport(report)}`,
      isMet: Math.max(...times) <= ACTIVE_MS,
      broken: report.failed > 0 ? [describeReport(report)] : [],
    }
  })

  scenario('F17', switching, { target: '0 failed' }, async ({ world }) => {
    const { registry, envoy, url, port, directory } = await startDynamicScene(world, bootstrap)
    const replaceAll = (name: string, upstream: number): void => {
      const documents = [
        edsCluster(name),
        assignmentOf(name, upstream),
        httpListener('listener_0', port, 'local_route', name),
        routesByPrefix('local_route', { '/': name }),
      ]
      // One file has all of it, so that it changes as a whole; it takes the place of those of the samples.
      const file = join(directory, 'all.yaml')
      writeFileSync(`${file}.new`, documents.map(each => `---\n${stringify(each)}`).join(''))
      renameSync(`${file}.new`, file)
      for (const sample of ['clusters', 'listeners', 'routes']) {
        rmSync(join(directory, `${sample}.yaml`), { force: true })
      }
    }
    const load = await world.startLoad({ url, ratePerSecond: RATE })
    const serves: number[] = []
    const isGone: number[] = []
    let from = 'example_cluster'
    for (let count = 1; count <= SWITCHES; count += 1) {
      const to = `cluster-${count}`
      const upstream = world.keep(await Backend.start(to))
      const startedAt = performance.now()
      replaceAll(to, upstream.port)
      await answers(url, to)
      serves.push(performance.now() - startedAt)
      await until(`${from} is removed`, async () => !(await activeClusters(envoy)).has(from))
      isGone.push(performance.now() - startedAt)
      from = to
    }
    await inSync(registry)
    const report = await load.stop()
    const measured = `serves: ${shownTimes(serves)} after the file; the old is gone: ${shownTimes(isGone)}; ${describeReport(report)}`
    return { measured, broken: report.failed > 0 ? [describeReport(report)] : [] }
  })

  scenario(
    'F18',
    replaced,
    { target: `Envoy initialised ≤ ${INITIALISED_MS} ms after it is back` },
    async ({ world }) => {
      const data = ['--data-dir', join(world.folder, 'data')]
      // A life before, so that the new server knows all that there was and is not warming up.
      const before = await world.startRegistry({ args: data })
      await before.child.stop('SIGTERM')
      const mute = await withholdEndpoints('x')
      const envoy = await world.startDynamicEnvoy({
        registry: { grpcPort: mute.port },
        bootstrap,
        serving: false,
      })
      await until('Envoy waits for the endpoints', mute.isAwaited)
      await mute.stop()
      const upstream = world.keep(await Backend.start('example'))
      const listenerPort = await freePort()
      const directory = sampleResources(world.folder, { listenerPort, upstreamPort: upstream.port })
      const args = ['--resources', directory, ...data]
      const registry = await world.startRegistry({ args, grpcPort: mute.port })
      await until('Envoy is back', () => isConnected(envoy), { everyMs: 2 })
      const backAt = performance.now()
      await until('Envoy is initialised', () => envoy.admin.ready(), { withinMs: 30_000, everyMs: 2 })
      const initialisedMs = performance.now() - backAt
      await inSync(registry)
      await answers(`http://127.0.0.1:${listenerPort}/`, 'example')
      const left = [...(await activeClusters(envoy)).keys(), ...(await activeListeners(envoy))]
      return {
        measured: `initialised ${initialisedMs.toFixed(0)} ms after it is back; it has ${left.join(', ')}`,
        isMet: initialisedMs <= INITIALISED_MS,
        broken: [],
      }
    },
  )
}

function assignmentOf(name: string, port: number): Record<string, unknown> {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } }
  return {
    '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint }] }],
  }
}

/** A server that has one cluster, and tells nobody its endpoints. */
async function withholdEndpoints(name: string): Promise<{
  port: number
  isAwaited: () => boolean
  stop: () => Promise<void>
}> {
  const endpoints = new LinearCache(ENDPOINT, { hold: () => true })
  const snapshots = new SnapshotCache({ clock: systemClock, grouping: 'cluster', shared: [endpoints] })
  snapshots.set('', { resources: new Map([[CLUSTER.typeUrl, new Map([[name, cluster(name)]])]]) })
  const logger = pino({ level: 'silent' })
  const xds = new XdsServer({ groups: snapshots, clock: systemClock, logger, identifier: 'mute' })
  const port = await xds.listen('127.0.0.1', 0)
  return {
    port,
    isAwaited: () => endpoints.isWatched(name),
    async stop() {
      await xds.stop(0)
      snapshots.close()
    },
  }
}
