/**
 * A second, independent client: gRPC's own. An RPC to `xds:///…` needs LDS, RDS, CDS and EDS from us, reaches a real
 * backend, and follows when the endpoints change.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { until } from '../../scripts/processes/until.ts'
import { assignment, cluster, listener, route } from './resources.ts'
import { TestServer } from './server.ts'

const CLIENT = fileURLToPath(new URL('./grpc-js-xds-client.ts', import.meta.url))

/** A backend that knows one health service, by which the client tells it from others. */
async function startBackend(name: string): Promise<{ port: number; stop: () => void }> {
  const server = new Server()
  new HealthImplementation({ [name]: 'SERVING' }).addToServer(server)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return { port, stop: () => server.forceShutdown() }
}

function bootstrap(port: number): string {
  const channel_creds = [{ type: 'insecure' }]
  const xds_servers = [{ server_uri: `127.0.0.1:${port}`, channel_creds, server_features: ['xds_v3'] }]
  return JSON.stringify({ xds_servers, node: { id: 'grpc-client', cluster: 'tests', locality: {} } })
}

test("gRPC's own xDS client reaches a backend, and the next one when the endpoints change", async () => {
  await using server = await TestServer.start()
  const [one, two] = [await startBackend('one'), await startBackend('two')]
  server.listeners.set(listener('greeter', 'greeter-routes'))
  server.routes.set(route('greeter-routes', 'greeter-cluster'))
  server.clusters.set(cluster('greeter-cluster', { serviceName: 'greeter-endpoints' }))
  server.endpoints.set(assignment('greeter-endpoints', one.port))
  const env = { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap(server.port) }
  const client = fork(CLIENT, ['greeter'], {
    execArgv: ['--import', 'tsx'],
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let reached: string | undefined
  client.on('message', message => {
    reached = String(message)
  })
  try {
    await until(
      'the first backend to be reached',
      () => reached === 'one' || Promise.reject(new Error(reached)),
      { withinMs: 20_000 },
    )
    server.endpoints.set(assignment('greeter-endpoints', two.port))
    const report = await server.endpoints.acked('greeter-endpoints', { timeoutMs: 5000 })
    assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
    await until(
      'the second backend to be reached',
      () => reached === 'two' || Promise.reject(new Error(reached)),
    )
    const [node] = server.xds.nodes()
    assert.equal(node?.node, 'grpc-client')
    const states = node?.types.map(({ state, nack }) => nack?.message ?? state)
    assert.deepEqual(states, ['SYNCED', 'SYNCED', 'SYNCED', 'SYNCED'])
  } finally {
    client.kill()
    one.stop()
    two.stop()
  }
})
