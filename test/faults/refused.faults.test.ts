/** What a client refuses (F15), and what crosses on the wire (F19). */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { instant } from '../../scripts/processes/load-report.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { FORMS, formName, RawClient } from '../conformance/raw-client.ts'
import { FLEET, startCast } from './cast.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const SPOILED = 'an-envoy-that-gets-it-spoiled'

interface NodeView {
  node: string
  types: { state: string; nack?: { message: string } }[]
}

async function shownAs(stage: Stage, node: string): Promise<NodeView['types'][number] | undefined> {
  const { nodes } = (await stage.ask('/v1/nodes')) as { nodes: NodeView[] }
  return nodes.find(each => each.node === node)?.types[0]
}

scenario(
  'F15',
  'one of two Envoys is sent an endpoint whose port does not exist, for 20 s',
  { target: '0 failed; refused text visible ≤ 1 s; ≤ 1 send of each version; the other Envoy is served' },
  async stage => {
    await stage.startRegistry({ args: ['--lease-ttl', '15s'] })
    const refusing = await stage.startEnvoy({ nodeId: SPOILED })
    const other = await stage.world.startEnvoy({ registry: stage.registry })
    await stage.startFleet(refusing, FLEET)
    await stage.inSync(FLEET, 2)
    await stage.startLoad(refusing)
    await stage.startLoad(other)
    const port = 30_000 + Math.floor(Math.random() * 2000)
    stage.witness.spoil(port)
    const fourth = stage.startUpstream({ port })
    const isRefused = async (): Promise<boolean> => (await shownAs(stage, SPOILED))?.state === 'NACKED'
    const nacked = (): number | undefined => stage.history.events.find(({ kind }) => kind === 'nacked')?.at
    await until('the refusal is visible', isRefused)
    const visibleMs = instant() - (nacked() ?? Number.NaN)
    const { nack } = (await shownAs(stage, SPOILED)) ?? {}
    await fourth
    await until('the other has four', async () => (await other.admin.hosts()).length === FLEET + 1)
    await delay(20_000)
    const kept = (await refusing.admin.hosts()).length
    stage.witness.spoil(undefined)
    await stage.startUpstream()
    await until('it has five', async () => (await refusing.admin.hosts()).length === FLEET + 2)
    await stage.inSync(FLEET + 2, 2)
    const { traffic, broken } = await stage.finish()
    const versions = new Map<string, number>()
    for (const event of stage.history.events) {
      if (event.kind === 'sent') versions.set(event.version, (versions.get(event.version) ?? 0) + 1)
    }
    const mostSends = Math.max(...versions.values())
    if (kept !== FLEET) broken.push(`the refusing Envoy has ${kept} members, not ${FLEET}`)
    if (mostSends > 1) broken.push(`one version was sent ${mostSends} times`)
    const measured = `visible ${visibleMs.toFixed(0)} ms after the NACK, with Envoy's reason; each version sent ${mostSends} time; ${traffic}`
    return { measured, isMet: visibleMs <= 1000 && Boolean(nack?.message), broken }
  },
)

scenario(
  'F15',
  'a client of each form refuses all that it is sent, during 100 changes in 10 s',
  { target: '≤ 1 response for each version; no resend when nothing changes; 0 failed' },
  async stage => {
    await startCast(stage, { ratePerSecond: 500 })
    const counts: string[] = []
    for (const form of FORMS) {
      using client = new RawClient(stage.registry.grpcPort)
      const stream = client.stream(form, ENDPOINT, 'refuser')
      const versions: string[] = []
      let isOver = false
      stream.subscribe(['refused'])
      const refusing = (async () => {
        for (;;) {
          const response = await stream.next()
          if (isOver) return
          versions.push(response.version)
          stream.nack(response)
        }
      })()
      refusing.catch(() => undefined)
      for (let change = 0; change < 100; change++) {
        await putInstance(stage, change)
        await delay(25)
      }
      await delay(500)
      const atRest = versions.length
      await delay(2000)
      isOver = true
      stream.call.cancel()
      const repeated = versions.length - new Set(versions).size
      counts.push(
        `${formName(form)} ${versions.length} responses, ${repeated} repeated, ${versions.length - atRest} at rest`,
      )
    }
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const repeats = counts.filter(text => !/ 0 repeated, 0 at rest/.test(text))
    return {
      measured: `${counts.join('; ')}; ${traffic}`,
      broken: [...broken, ...repeats],
    }
  },
)

/** The same instance with another weight each time, so each time another version. */
async function putInstance({ registry }: Stage, change: number): Promise<void> {
  const body = { address: '127.0.0.1', port: 20_000, weight: 1 + (change % 1000), ttlMs: 600_000 }
  const { status } = await fetch(`${registry.url}/v1/services/refused/instances/one`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'rollcall-lease-secret': 'C'.repeat(43) },
    body: JSON.stringify(body),
  })
  if (status > 201) throw new Error(`a change is refused: ${status}`)
}

scenario(
  'F19',
  '10,000 random interleavings of stale nonces and subscription changes, each of 4 forms',
  { target: '0 violations' },
  async () => {
    const file = join('test', 'eds-server', 'xds', 'interleavings.test.ts')
    const args = ['--import', 'tsx', '--test', '--test-reporter=tap', file]
    const env = { ...process.env }
    // Or the runner would take this for one of its own files.
    delete env.NODE_TEST_CONTEXT
    const { stdout, status } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env })
    const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1])
    const broken = status === 0 ? [] : [stdout.slice(-2000)]
    return { measured: `${passed} x 10,000 held`, isMet: passed === 4, broken }
  },
)
