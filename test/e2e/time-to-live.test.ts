/** X-44 with a real Envoy: what has a time to live is there for as long as the server says so, and no longer. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { stringify } from 'yaml'
import { until } from '../../scripts/processes/until.ts'
import { listenerWith } from '../eds-server/resources/documents.ts'
import { CONTROL_PLANE_BOOTSTRAPS } from '../world/bootstrap.ts'
import { freePort, inWorld } from '../world/world.ts'

const TTL_S = 2
/** Without heartbeats the resource would be gone twice by then. */
const KEPT_MS = 4500

function timed(resource: object): object {
  return { '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource', ttl: `${TTL_S}s`, resource }
}

function fault(percent: number): object {
  const layer = { 'fault.http.abort.abort_percent': percent }
  return { '@type': 'type.googleapis.com/envoy.service.runtime.v3.Runtime', name: 'runtime-0', layer }
}

function listener(name: string, port: number): object {
  const document = listenerWith({ route_config: { name: 'r' } }, name)
  const [chain] = document.filter_chains as { filters: { typed_config: { rds?: object } }[] }[]
  // One choice of two.
  delete chain?.filters[0]?.typed_config.rds
  return { ...document, address: { socket_address: { address: '127.0.0.1', port_value: port } } }
}

describe('what has a time to live is gone when the EDS server is, and not before', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      bootstrap,
      inWorld(async (world, t) => {
        const folder = join(world.folder, 'resources')
        mkdirSync(folder)
        const documents = [
          timed(fault(100)),
          timed(listener('for a time', await freePort())),
          listener('for ever', await freePort()),
        ]
        writeFileSync(join(folder, 'all.yaml'), documents.map(each => stringify(each)).join('---\n'))
        const registry = await world.startRegistry({ args: ['--resources', folder] })
        const { admin } = await world.startDynamicEnvoy({ registry, bootstrap })
        const state = async () => [
          await admin.runtime('fault.http.abort.abort_percent'),
          await admin.listeners(),
        ]
        const whole = ['100', ['for a time', 'for ever']]
        await until('Envoy has all', async () => isDeepStrictEqual(await state(), whole))
        const accepted = async () => await admin.stat('listener_manager.lds.update_success')
        const [before, createdBefore] = [
          await accepted(),
          await admin.stat('listener_manager.listener_create_success'),
        ]
        const kept = performance.now() + KEPT_MS
        await until('twice its time to live has passed', async () => {
          assert.deepEqual(await state(), whole)
          return performance.now() > kept
        })
        t.diagnostic(`${(await accepted()) - before} updates of listeners in ${KEPT_MS} ms`)
        assert.equal(await admin.stat('listener_manager.listener_create_success'), createdBefore)
        const killedAt = performance.now()
        await registry.child.stop('SIGKILL')
        await until('Envoy let go of what had a time to live', async () => {
          const [percent, listeners] = await state()
          return percent === undefined && String(listeners) === 'for ever'
        })
        t.diagnostic(
          `gone ${(performance.now() - killedAt).toFixed(0)} ms after kill -9, of ${TTL_S * 1000} ms`,
        )
        assert.equal(await admin.stat('listener_manager.lds.update_rejected'), 0)
      }),
    )
  }
})
