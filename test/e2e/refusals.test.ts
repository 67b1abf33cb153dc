/** What a real Envoy refuses is named wherever an operator looks, and harms nothing else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { until } from '../../scripts/processes/until.ts'
import { clusterNamed } from '../eds-server/resources/documents.ts'
import { ResourcesClient } from '../eds-server/resources/resources-client.ts'
import { CONTROL_PLANE_BOOTSTRAPS } from '../world/bootstrap.ts'
import { get, uuidsSeen } from '../world/front.ts'
import { listenerDocument } from '../world/listener-document.ts'
import { inWorld } from '../world/world.ts'

const ERROR = 4
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener'

// biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says
async function call(url: string, method = 'GET', body?: object): Promise<any> {
  const response = await fetch(url, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  assert.ok(response.ok, `${url}: ${response.status} ${text}`)
  return text.startsWith('{') ? JSON.parse(text) : text
}

/** A port of which somebody else has the use. */
async function takenPort(): Promise<{ port: number; free: () => void }> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  return { port: address.port, free: () => server.close() }
}

describe('what an Envoy refuses is named', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `F15: ${bootstrap}: a listener on a port in use, within a second, and all else goes on`,
      inWorld(async (world, t) => {
        const registry = await world.startRegistry()
        const resources = `${registry.url}/v1/resources`
        const eds = { eds_config: { ads: {}, resource_api_version: 'V3' } }
        const cluster = clusterNamed('myservice', {
          type: 'EDS',
          eds_cluster_config: eds,
          ignore_health_on_host_removal: true,
        })
        await call(`${resources}/clusters/myservice`, 'PUT', cluster)
        const toService = { route: { cluster: 'myservice' } }
        await call(`${resources}/listeners/good`, 'PUT', listenerDocument('good', 0, toService))
        const envoy = await world.startDynamicEnvoy({ registry, bootstrap })
        const one = await world.startUpstream({ registry })
        const port = await until('the listener is there', () => envoy.admin.listenerPort('good'))
        const url = `http://127.0.0.1:${port}/`
        await until('it is served', async () => (await get(url)).body === one.uuid)

        const taken = await takenPort()
        try {
          const startedAt = performance.now()
          const bad = listenerDocument('bad', taken.port, toService)
          await call(`${resources}/listeners/bad`, 'PUT', bad)
          const nack = await until('the refusal is shown', async () => {
            const { nodes } = await call(`${registry.url}/v1/nodes`)
            return nodes[0].types.find((type: { typeUrl: string }) => type.typeUrl === LISTENER)?.nack
          })
          const shownMs = performance.now() - startedAt
          t.diagnostic(`shown after ${shownMs.toFixed(0)} ms: ${nack.message}`)
          assert.ok(nack.resources.includes('bad'))
          assert.match(nack.message, /bad.*(?:bind|in use)|(?:bind|in use).*bad/is)

          const { clients } = await call(`${registry.url}/v1/nodes/test-id/config?type=listeners`)
          const states = clients[0].types[0].resources
          const found = states.find(({ name }: { name: string }) => name === 'bad')
          assert.equal(found.state, 'NACKED')
          assert.equal(found.error.message, nack.message)
          using csds = await ResourcesClient.connect(
            registry.grpcPort,
            'envoy.service.status.v3.ClientStatusDiscoveryService',
          )
          const request = {
            node_matchers: [{ node_id: { exact: 'test-id' } }],
            exclude_resource_contents: true,
          }
          const { config } = await csds.call('FetchClientStatus', request)
          const generic = config[0].generic_xds_configs.find(({ name }: { name: string }) => name === 'bad')
          assert.deepEqual([generic.config_status, generic.error_state.details], [ERROR, nack.message])
          const metrics = await call(`${registry.url}/metrics`)
          assert.match(metrics, /rollcall_xds_nacks_total\{type_url="[^"]*\.Listener"\} 1/)
          const line = await until('the log has it', () =>
            readFileSync(join(world.folder, 'registry-1.log'), 'utf8')
              .split('\n')
              .filter(text => text.startsWith('{'))
              .map(text => JSON.parse(text))
              .find(({ msg }) => msg === 'NACK'),
          )
          assert.deepEqual([line.node, line.typeUrl, line.message], ['test-id', LISTENER, nack.message])
          assert.ok(line.names.includes('bad'))

          assert.equal((await get(url)).body, one.uuid)
          const two = await world.startUpstream({ registry })
          await until('endpoints go on', async () => (await uuidsSeen(url, 20)).has(two.uuid))
        } finally {
          taken.free()
        }
        // What was refused is not sent again; a new version is, and what is right is taken.
        await call(`${resources}/listeners/bad`, 'PUT', listenerDocument('bad', 0, toService))
        await until('it is taken', async () => {
          const { nodes } = await call(`${registry.url}/v1/nodes`)
          const listeners = nodes[0].types.find((type: { typeUrl: string }) => type.typeUrl === LISTENER)
          return listeners.state === 'SYNCED' && !listeners.nack
        })
      }),
    )
  }
})
