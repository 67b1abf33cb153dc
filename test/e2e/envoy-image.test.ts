/** The Envoy image without a container: its entrypoint becomes a real Envoy that serves what is registered. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Child } from '../../scripts/processes/child.ts'
import { EnvoyAdmin } from '../../scripts/processes/envoy-admin.ts'
import { until } from '../../scripts/processes/until.ts'
import { uuidsSeen } from '../world/front.ts'
import { IMAGE, imageOnFreePorts, pathWith, type Renderer } from '../world/image.ts'
import { freePort, inWorld, type World } from '../world/world.ts'

interface Started {
  child: Child
  admin: EnvoyAdmin
}

async function startImage(world: World, renderer: Renderer, env: Record<string, string>): Promise<Started> {
  const address = join(world.folder, 'image.admin')
  const child = world.adopt(
    new Child({
      name: 'image',
      command: imageOnFreePorts(world.folder),
      args: [
        ...['--service-cluster', 'front-proxy', '-l', 'info', '--concurrency', '1'],
        ...['--disable-hot-restart', '--admin-address-path', address],
      ],
      env: {
        SERVICE_NAME: 'shop',
        ROLLCALL_SERVER: '127.0.0.1',
        ...env,
        PATH: pathWith(world.folder, renderer),
      },
    }),
  )
  const url = await until('Envoy writes its admin address', () => {
    const text = readFileSync(address, 'utf8')
    return /:\d+$/.test(text) && text
  })
  return { child, admin: new EnvoyAdmin(`http://${url}`) }
}

/** The health check of the Dockerfile, asked at this Envoy's port. */
function isHealthy({ admin }: Started): boolean {
  const file = readFileSync(join(IMAGE, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ')
  const [, json = ''] = /^HEALTHCHECK .*? CMD (\[.*\])$/m.exec(file) ?? []
  const [command = '', ...args] = JSON.parse(json.replace('9901', new URL(admin.url).port)) as string[]
  return spawnSync(command, args, { timeout: 5000 }).status === 0
}

/** How far Envoy's log is ahead of UTC, in whole hours; it writes no zone. */
function hoursAhead({ child }: Started): number {
  const [, day, time] = /^\[([\d-]+) ([\d:.]+)\]/.exec(child.lines[0] ?? '') ?? []
  return Math.round((Date.parse(`${day}T${time}Z`) - Date.now()) / 3_600_000) + 0 // never -0
}

describe('the Envoy image', () => {
  const runs = [
    { renderer: 'sed', algorithm: 'LEAST_REQUEST', zone: 'Asia/Shanghai', hours: 8, hosts: 2 },
    { renderer: 'envsubst', algorithm: 'RING_HASH', zone: '', hours: 0, hosts: 1 },
  ] as const

  for (const { renderer, algorithm, zone, hours, hosts } of runs) {
    test(
      `serves its SERVICE_NAME by ${algorithm}, logs in the zone "${zone}" and ends on SIGTERM (${renderer})`,
      inWorld(async world => {
        const registry = await world.startRegistry()
        await Promise.all(
          ['one', 'two'].map(() => world.startUpstream({ registry, args: ['--service', 'Shop'] })),
        )
        const image = await startImage(world, renderer, {
          ENVOY_LB_ALG: algorithm,
          ROLLCALL_GRPC_PORT: String(registry.grpcPort),
          TZ: zone,
        })
        const { admin, child } = image
        await until('Envoy has both hosts', async () => (await admin.hosts()).length === 2)
        await until('Envoy is ready', async () => await admin.ready())
        const seen = await uuidsSeen(`http://127.0.0.1:${await admin.listenerPort()}/`, 40)
        assert.equal(seen.size, hosts)

        const shown = async (path: string): Promise<string> => await (await fetch(admin.url + path)).text()
        assert.ok((await shown('/config_dump')).includes(`"lb_policy": "${algorithm}"`))
        assert.ok((await shown('/server_info')).includes('"cluster": "front-proxy"'))
        assert.equal((await fetch(`${admin.url}/quitquitquit`, { method: 'POST' })).status, 403)
        assert.equal(isHealthy(image), true)
        assert.equal(hoursAhead(image), hours)
        assert.deepEqual(await child.stop('SIGTERM'), { code: 0, signal: null })
      }),
    )
  }

  test(
    'is unhealthy to Docker until the EDS server has answered',
    inWorld(async world => {
      const port = await freePort()
      const image = await startImage(world, 'sed', { ROLLCALL_GRPC_PORT: String(port) })
      assert.equal(isHealthy(image), false)
      await world.startRegistry({ grpcPort: port })
      await until('healthy', () => isHealthy(image), { withinMs: 30_000, everyMs: 200 })
    }),
  )
})
