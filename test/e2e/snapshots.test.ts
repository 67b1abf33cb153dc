/** The whole configuration of a real Envoy from snapshots, in each of the four forms. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Resource } from '../../eds-server/src/xds/resource.ts'
import { CLUSTER, ENDPOINT, LISTENER, type ResourceType } from '../../eds-server/src/xds/resource-type.ts'
import { describeReport } from '../../scripts/processes/load-report.ts'
import type { Envoy } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { FORMS, formName } from '../conformance/raw-client.ts'
import { assignment } from '../conformance/resources.ts'
import { Backend, ControlPlane } from '../world/control-plane.ts'
import { freePort, inWorld } from '../world/world.ts'

const LEAST_REQUESTS = 12_500
const SWITCHES = 4

const endpoints = (name: string, port: number): [ResourceType, Resource] => [ENDPOINT, assignment(name, port)]

async function answerOf(url: string): Promise<string> {
  const answer = await fetch(url)
  const body = await answer.text()
  if (answer.status !== 200) throw new Error(`${answer.status} ${body}`)
  return body
}

/** The active clusters by name, with their connect_timeout. */
async function activeClusters({ admin }: Envoy): Promise<Map<string, string>> {
  const answer = await fetch(`${admin.url}/config_dump?resource=dynamic_active_clusters`)
  const { configs = [] } = (await answer.json()) as {
    configs?: { cluster: { name: string; connect_timeout: string } }[]
  }
  return new Map(configs.map(({ cluster }) => [cluster.name, cluster.connect_timeout]))
}

describe('a whole configuration changes under load and fails no request', () => {
  for (const form of FORMS) {
    test(
      `${formName(form)}: ${SWITCHES} times from one cluster to another, which is removed (X-32)`,
      inWorld(
        async (world, t) => {
          await using plane = await ControlPlane.start(form)
          await using x = await Backend.start('x')
          await using y = await Backend.start('y')
          const port = await freePort()
          const backends = { x, y }
          const route = (name: 'x' | 'y'): void =>
            plane.set(
              plane.cluster(name),
              endpoints(name, backends[name].port),
              plane.listener('front', port, 'routes'),
              plane.route('routes', name),
            )
          route('x')
          const envoy = await plane.startEnvoy(world)
          const url = `http://127.0.0.1:${port}/`
          await until('x answers', async () => (await answerOf(url)) === 'x')
          const load = await world.startLoad({ url, ratePerSecond: 2500 })
          const slowest = { serves: 0, isGone: 0 }
          for (let count = 1; count <= SWITCHES; count += 1) {
            const [to, from] = count % 2 === 1 ? (['y', 'x'] as const) : (['x', 'y'] as const)
            const startedAt = performance.now()
            route(to)
            await until(`${to} answers`, async () => (await answerOf(url)) === to)
            slowest.serves = Math.max(slowest.serves, performance.now() - startedAt)
            await until(`${from} is removed`, async () => !(await activeClusters(envoy)).has(from))
            slowest.isGone = Math.max(slowest.isGone, performance.now() - startedAt)
          }
          const enough = async (): Promise<boolean> => (await load.report()).requests >= LEAST_REQUESTS
          await until(`${LEAST_REQUESTS} requests`, enough, { withinMs: 30_000, everyMs: 100 })
          const report = await load.stop()
          t.diagnostic(describeReport(report))
          t.diagnostic(
            `slowest switch ${slowest.serves.toFixed(0)} ms, slowest removal ${slowest.isGone.toFixed(0)} ms`,
          )
          assert.equal(report.failed, 0, describeReport(report))
          assert.deepEqual(Object.keys(report.bodies).sort(), ['x', 'y'])
          const states = plane.xds.nodes().flatMap(({ types }) => types.map(({ state }) => state))
          assert.deepEqual(new Set(states), new Set(['SYNCED']))
        },
        { withinMs: 60_000 },
      ),
    )

    test(
      `${formName(form)}: a changed cluster with unchanged endpoints is active at once (X-33, F16)`,
      inWorld(async (world, t) => {
        await using plane = await ControlPlane.start(form)
        await using x = await Backend.start('x')
        const set = (seconds: number): void =>
          plane.set(
            plane.cluster('x', seconds),
            plane.cluster('other'),
            endpoints('x', x.port),
            endpoints('other', x.port),
          )
        set(1)
        const envoy = await plane.startEnvoy(world)
        const isActive = async (seconds: number): Promise<boolean> =>
          (await activeClusters(envoy)).get('x') === `${seconds}s`
        await until('the cluster is active', () => isActive(1))
        const durations: number[] = []
        for (let seconds = 2; seconds <= 6; seconds += 1) {
          const startedAt = performance.now()
          set(seconds)
          // Without its endpoints it would be 15 s, Envoy's initial_fetch_timeout.
          await until('the changed cluster is active', () => isActive(seconds), {
            withinMs: 5000,
            everyMs: 1,
          })
          durations.push(performance.now() - startedAt)
        }
        t.diagnostic(`active after ${durations.map(ms => ms.toFixed(0)).join(', ')} ms, looks included`)
        assert.equal(await envoy.admin.stat('cluster_manager.warming_clusters'), 0)
      }),
    )

    test(
      `${formName(form)}: a refused listener leaves the old one serving, is shown, and endpoints go on (F15)`,
      inWorld(async (world, t) => {
        await using plane = await ControlPlane.start(form)
        await using x = await Backend.start('x')
        await using next = await Backend.start('next')
        const port = await freePort()
        const rest = [plane.cluster('x'), plane.route('routes', 'x')] as const
        const good = plane.listener('front', port, 'routes')
        plane.set(...rest, good, endpoints('x', x.port))
        await plane.startEnvoy(world)
        const url = `http://127.0.0.1:${port}/`
        await until('x answers', async () => (await answerOf(url)) === 'x')
        const startedAt = performance.now()
        const bad = plane.anyListener('front', port, { stat_prefix: 'bad' })
        plane.set(...rest, bad, endpoints('x', x.port))
        const nack = await until(
          'the refusal is shown',
          () => {
            const [view] = plane.xds
              .nodes()
              .flatMap(node => node.types.filter(({ nack }) => nack && node.node === 'envoy-1'))
            return view?.typeUrl === LISTENER.typeUrl ? view.nack : undefined
          },
          { withinMs: 5000 },
        )
        t.diagnostic(`shown after ${(performance.now() - startedAt).toFixed(0)} ms: ${nack.message}`)
        assert.deepEqual(nack.resources, ['front'])
        assert.match(nack.message, /route_specifier/i)
        assert.equal(await answerOf(url), 'x')
        plane.set(...rest, bad, endpoints('x', next.port))
        await until('the next endpoint answers', async () => (await answerOf(url)) === 'next')
        plane.set(...rest, good, endpoints('x', next.port))
        await until('nothing is refused', () =>
          plane.xds.nodes().every(({ types }) => types.every(({ state }) => state === 'SYNCED')),
        )
      }),
    )
  }
})

test(
  'an Envoy that nothing is configured for becomes ready (X-68)',
  inWorld(async world => {
    const [, , form] = FORMS
    assert.ok(form)
    await using plane = await ControlPlane.start(form)
    plane.set()
    const envoy = await plane.startEnvoy(world)
    await until('it is ready', () => envoy.admin.ready(), { withinMs: 5000 })
    const states = plane.xds
      .nodes()
      .flatMap(({ types }) => types.map(({ typeUrl, state }) => [typeUrl, state]))
    assert.deepEqual(states, [
      [CLUSTER.typeUrl, 'SYNCED'],
      [LISTENER.typeUrl, 'SYNCED'],
    ])
  }),
)
