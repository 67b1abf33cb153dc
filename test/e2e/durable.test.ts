/** A server that is killed comes back with what it knew, and nobody is told of fewer (F01, F02, F08, F27). */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type EdsServer, logged, spawnEdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { type ChurnOptions, churn } from '../faults/churn.ts'
import { Stage } from '../faults/stage.ts'
import { get, uuidsSeen } from '../world/front.ts'
import { fullDisk } from '../world/full-disk.ts'
import { killWhileWriting } from '../world/kill-while-writing.ts'
import { watchMembers } from '../world/members.ts'
import { inWorld, type World } from '../world/world.ts'

async function unharmed(stage: Stage, t: TestContext, options: ChurnOptions): Promise<void> {
  const { measured, broken } = await churn(stage, options)
  t.diagnostic(measured)
  assert.deepEqual(broken, [])
}

const args = (world: World): string[] => ['--data-dir', join(world.folder, 'data'), '--lease-ttl', '3s']

describe('the store, the gate and the freeze, with real processes', () => {
  test(
    'F01: kill -9 and restart under traffic, four times: no failed request, and Envoy never has fewer hosts',
    inWorld((world, t) => unharmed(new Stage(world), t, { cycles: 4 })),
  )

  test(
    'F02: the same with the store deleted in between: the SDKs register again before Envoy is told anything',
    inWorld(async (world, t) => {
      const stage = new Stage(world)
      const betweenLives = (): void => rmSync(stage.dataDir, { recursive: true })
      await unharmed(stage, t, { cycles: 2, betweenLives })
    }),
  )

  test(
    'a first start is instant although the server is not warm: a client without a past has nothing to lose',
    inWorld(async (world, t) => {
      const registry = await world.startRegistry({ args: ['--lease-ttl', '60s'] })
      const startedAt = performance.now()
      const envoy = await world.startEnvoy({ registry })
      await world.startUpstream({ registry })
      await until('it answers', async () => (await get(envoy.url)).status === 200)
      t.diagnostic(`first answer through Envoy after ${(performance.now() - startedAt).toFixed(0)} ms`)
      const notReady = await fetch(`${registry.url}/readyz`)
      const { detail } = (await notReady.json()) as { detail: string }
      assert.equal(notReady.status, 503)
      assert.match(detail, /warming up: .*; ready in \d+\.\d s at the latest/)
      assert.ok(Number(notReady.headers.get('retry-after')) > 1)
    }),
  )

  test(
    'F08: a server that stood still for three leases removes and marks nobody',
    inWorld(async world => {
      const registry = await world.startRegistry({ args: ['--lease-ttl', '1s', '--data-dir', 'none'] })
      const envoy = await world.startEnvoy({ registry })
      for (let i = 0; i < 3; i++) await world.startUpstream({ registry })
      await until('all answer', async () => (await uuidsSeen(envoy.url, 20)).size === 3)
      const watch = watchMembers(envoy)
      registry.child.signal('SIGSTOP')
      await delay(4000)
      registry.child.signal('SIGCONT')
      await delay(2500)
      const answer = await fetch(`${registry.url}/v1/services`)
      assert.deepEqual(await answer.json(), {
        services: [{ service: 'myservice', instances: 3, healthy: 3 }],
      })
      const metrics = await (await fetch(`${registry.url}/metrics`)).text()
      assert.doesNotMatch(metrics, /rollcall_registry_expirations_total\{/)
      assert.equal(await watch.stop(), 3)
    }),
  )

  test(
    'F27: killed while it writes, eight times: it always starts, and everything that was answered is there',
    inWorld(async (world, t) => {
      t.diagnostic(await killWhileWriting(world, 8))
    }),
  )

  test(
    'F40: removed stays removed: kill -9 straight after, and the late heartbeat is told why',
    inWorld(async world => {
      const first = await world.startRegistry({ args: args(world) })
      const [own, operators, moved] = [
        await lease(first, 'own'),
        await lease(first, 'operators'),
        await lease(first, 'moved'),
      ]
      await answered(204, first, own, 'DELETE')
      const endpoint = `127.0.0.1:${operators.port}`
      assert.equal((await fetch(`${first.url}/edsservice/deregister?endpoint=${endpoint}`)).status, 200)
      await lease(first, 'newcomer', moved.port)
      await first.child.stop('SIGKILL')
      const second = await world.startRegistry({ args: args(world) })
      const codes = await Promise.all(
        [own, operators, moved].map(each => answered(410, second, each, 'PUT', '/heartbeat')),
      )
      assert.deepEqual(codes, [
        'ROLLCALL_INSTANCE_DEREGISTERED',
        'ROLLCALL_INSTANCE_DEREGISTERED',
        'ROLLCALL_INCARNATION_SUPERSEDED',
      ])
    }),
  )

  test(
    'F26: on a full disk it goes on serving, refuses what it cannot keep, and recovers by itself',
    inWorld(async (world, t) => {
      await fullDisk(world, t)
    }),
  )

  test(
    'F06: 100 instances fall silent: none is removed or marked, the reason is shown, and it ends by itself',
    inWorld(async (world, t) => {
      const registry = await world.startRegistry({ args: ['--lease-ttl', '1s', '--data-dir', 'none'] })
      const keys: { service: string; instanceId: string; incarnation: number; leaseSecret: string }[] = []
      for (let i = 0; i < 100; i++) {
        const instanceId = `i${i}`
        const answer = await fetch(`${registry.url}/v1/services/s${i % 4}/instances/${instanceId}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ address: '127.0.0.1', port: 20_000 + i }),
        })
        const { incarnation, leaseSecret } = (await answer.json()) as {
          incarnation: number
          leaseSecret: string
        }
        keys.push({ service: `s${i % 4}`, instanceId, incarnation, leaseSecret })
      }
      const beat = async (): Promise<void> => {
        const body = JSON.stringify({ heartbeats: keys })
        const headers = { 'content-type': 'application/json' }
        const answer = await fetch(`${registry.url}/v1/heartbeats`, { method: 'POST', headers, body })
        assert.deepEqual(await answer.json(), { renewed: 100, refused: [] })
      }
      const state = async (): Promise<{ frozen: boolean; reason?: string; releasesInMs?: number }> =>
        (await (await fetch(`${registry.url}/v1/self-preservation`)).json()) as { frozen: boolean }
      await beat()
      await delay(5000)
      const silent = await state()
      assert.match(silent.reason ?? '', /of 100 leases/)
      await registry.child.line('the log line', logged('self-preservation: expiry is frozen'))
      const services = (await (await fetch(`${registry.url}/v1/services`)).json()) as {
        services: { instances: number; healthy: number }[]
      }
      const totals = services.services.map(({ instances, healthy }) => [instances, healthy])
      assert.deepEqual(
        totals,
        Array.from({ length: 4 }, () => [25, 25]),
      )
      t.diagnostic('after 5 leases of silence: 0 of 100 removed, 0 marked (target 0, 0)')
      const startedAt = performance.now()
      await until('the freeze ends', async () => {
        await beat()
        return !(await state()).frozen
      })
      t.diagnostic(`ended ${(performance.now() - startedAt).toFixed(0)} ms after the heartbeats came back`)
    }),
  )

  test(
    'a second server on one data directory says so in one line and exits with 1; the first goes on',
    inWorld(async world => {
      const registry = await world.startRegistry({ args: args(world) })
      registry.child.signal('SIGSTOP')
      const second = world.adopt(
        spawnEdsServer({ name: 'second', args: ['--grpc-port', '0', '--http-port', '0', ...args(world)] }),
      )
      assert.deepEqual(await second.exited, { code: 1, signal: null })
      assert.equal(second.stderr.length, 1, second.stderr.join('\n'))
      assert.match(second.stderr[0] ?? '', /data-dir.*held by another server/)
      registry.child.signal('SIGCONT')
      assert.equal((await fetch(`${registry.url}/healthz`)).status, 200)
    }),
  )
})

interface Leased {
  readonly path: string
  readonly port: number
  readonly headers: Record<string, string>
}

let lastPort = 21_000

/** Registers an instance of no process. */
async function lease({ url }: EdsServer, instanceId: string, port?: number): Promise<Leased> {
  lastPort += 1
  const path = `/v1/services/myservice/instances/${instanceId}`
  const body = JSON.stringify({ address: '127.0.0.1', port: port ?? lastPort })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(url + path, { method: 'PUT', headers, body })
  assert.equal(answer.status, 201)
  const { incarnation, leaseSecret } = (await answer.json()) as { incarnation: number; leaseSecret: string }
  const key = { 'rollcall-incarnation': String(incarnation), 'rollcall-lease-secret': leaseSecret }
  return { path, port: port ?? lastPort, headers: key }
}

/** The code of the answer, which must have this status. */
async function answered(
  status: number,
  { url }: EdsServer,
  { path, headers }: Leased,
  method: string,
  below = '',
): Promise<string | undefined> {
  const answer = await fetch(url + path + below, { method, headers })
  const text = await answer.text()
  assert.equal(answer.status, status, text)
  return text === '' ? undefined : (JSON.parse(text) as { code: string }).code
}
