/** Start, side services and stop of the server. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Client, credentials, status } from '@grpc/grpc-js'
import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import { protoPath } from 'grpc-health-check'
import { systemClock } from '../../eds-server/src/clock.ts'
import { RollcallError } from '../../eds-server/src/errors.ts'
import { createResource } from '../../eds-server/src/xds/resource.ts'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { until, within } from '../../scripts/processes/until.ts'
import { openPaused } from './paused-client.ts'
import { FORMS, RawClient } from './raw-client.ts'
import { assignment } from './resources.ts'
import { TestServer } from './server.ts'

function method(proto: string, service: string, name: string): MethodDefinition<object, object> {
  const definition = loadSync(proto, { enums: String })[service] as Record<
    string,
    MethodDefinition<object, object>
  >
  const found = definition[name]
  assert.ok(found)
  return found
}

const reflectionRoot = dirname(createRequire(import.meta.url).resolve('@grpc/reflection'))
const REFLECTION = join(reflectionRoot, '..', 'proto', 'grpc', 'reflection', 'v1', 'reflection.proto')

test('a port that is taken is refused by name', async () => {
  await using server = await TestServer.start()
  const second = new TestServer()
  const isRefusal = (error: unknown) =>
    error instanceof RollcallError &&
    error.code === 'ROLLCALL_PORT_IN_USE' &&
    error.message.includes(String(server.port))
  await assert.rejects(second.xds.listen('127.0.0.1', server.port), isRefusal)
  await second.xds.stop(1000)
})

test('it listens on IPv6 too', async () => {
  await using server = new TestServer()
  assert.ok((await server.xds.listen('::1', 0)) > 0)
})

test('X-69: health says SERVING, and NOT_SERVING to those who watch when it stops', async () => {
  const server = await TestServer.start()
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = method(protoPath, 'grpc.health.v1.Health', 'Watch')
  const seen: Record<string, string[]> = {}
  for (const service of ['', ENDPOINT.discoveryService]) {
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service })
    seen[service] = []
    watch.on('data', ({ status: each }: { status: string }) => seen[service]?.push(each))
    watch.on('error', () => undefined)
  }
  await until('both to serve', () => Object.values(seen).every(states => states.length === 1))
  await within(4000, 'the stop', server.xds.stop(5000))
  await until('both to know', () => Object.values(seen).every(states => states.length === 2))
  assert.deepEqual(Object.values(seen), [
    ['SERVING', 'NOT_SERVING'],
    ['SERVING', 'NOT_SERVING'],
  ])
  client.close()
})

test('reflection lists what is served, and gives its files', async () => {
  await using server = await TestServer.start()
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = method(
    REFLECTION,
    'grpc.reflection.v1.ServerReflection',
    'ServerReflectionInfo',
  )
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  const answers: Record<string, unknown>[] = []
  call.on('data', (answer: Record<string, unknown>) => answers.push(answer))
  call.on('error', () => undefined)
  call.write({ listServices: '*' })
  call.write({ fileContainingSymbol: ENDPOINT.discoveryService })
  await until('two answers', () => answers.length === 2)
  const [list, files] = answers as [
    { listServicesResponse: { service: { name: string }[] } },
    { fileDescriptorResponse: { fileDescriptorProto: Buffer[] } },
  ]
  const names = list.listServicesResponse.service.map(({ name }) => name)
  assert.ok(names.includes(ENDPOINT.discoveryService), names.join())
  assert.ok(names.includes('envoy.service.discovery.v3.AggregatedDiscoveryService'), names.join())
  const { fileDescriptorProto } = files.fileDescriptorResponse
  assert.ok(fileDescriptorProto.some(file => file.includes('EndpointDiscoveryService')))
  call.end()
  client.close()
})

test('stopping ends streams of every form with UNAVAILABLE, after a response, and frees the port (X-10, X-11)', async () => {
  const server = await TestServer.start()
  server.endpoints.set(assignment('a', 1))
  using client = new RawClient(server.port)
  const answered = FORMS.map(form => client.stream(form, ENDPOINT))
  for (const stream of answered) {
    stream.subscribe(['a'])
    await stream.next()
  }
  const unanswered = client.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, 'waiting')
  unanswered.subscribe(['never'])
  await until('it to be subscribed', () => server.endpoints.isWatched('never'))
  await within(4000, 'the stop', server.xds.stop(5000))
  assert.deepEqual((await unanswered.next()).messages, [])
  for (const stream of [...answered, unanswered]) assert.equal((await stream.ended).code, status.UNAVAILABLE)
  assert.deepEqual(server.xds.nodes(), [])
  await using next = new TestServer({ clock: systemClock })
  assert.equal(await next.xds.listen('127.0.0.1', server.port), server.port)
})

test('stopping cuts what does not end within the grace', async () => {
  const server = await TestServer.start()
  server.endpoints.set(createResource(ENDPOINT, 'big', Buffer.alloc(8 * 1024 * 1024)))
  const { session, closed } = openPaused(server.port, 'big')
  await until('something to be under way', () => server.xds.nodes()[0]?.types[0]?.state === 'STALE')
  await within(5000, 'the stop', server.xds.stop(200))
  await within(5000, 'the client to notice', closed)
  session.destroy()
})
