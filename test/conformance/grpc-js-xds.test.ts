/**
 * A second, independent client: gRPC's own. An RPC to `xds:///…` needs LDS, RDS, CDS and EDS from us, reaches a real
 * backend, and follows when the endpoints change.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../scripts/processes/until.ts'
import { startGrpcBackend, XdsClient } from '../world/grpc-backend.ts'
import { assignment, cluster, listener, route } from './resources.ts'
import { TestServer } from './server.ts'

test("gRPC's own xDS client reaches a backend, and the next one when the endpoints change", async () => {
  await using server = await TestServer.start()
  await using one = await startGrpcBackend('one')
  await using two = await startGrpcBackend('two')
  server.listeners.set(listener('greeter', 'greeter-routes'))
  server.routes.set(route('greeter-routes', 'greeter-cluster'))
  server.clusters.set(cluster('greeter-cluster', { serviceName: 'greeter-endpoints' }))
  server.endpoints.set(assignment('greeter-endpoints', one.port))
  await using client = new XdsClient('greeter', server.port)
  const last = (): string => client.answers.at(-1) ?? client.errors.at(-1) ?? 'nothing yet'
  const reaches = (name: string) => async () => last() === name || Promise.reject(new Error(last()))
  await until('the first backend to be reached', reaches('one'), { withinMs: 20_000 })
  server.endpoints.set(assignment('greeter-endpoints', two.port))
  const report = await server.endpoints.acked('greeter-endpoints', { timeoutMs: 5000 })
  assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
  await until('the second backend to be reached', reaches('two'))
  const [node] = server.xds.nodes()
  assert.equal(node?.node, 'grpc-client')
  const states = node?.types.map(({ state, nack }) => nack?.message ?? state)
  assert.deepEqual(states, ['SYNCED', 'SYNCED', 'SYNCED', 'SYNCED'])
})
