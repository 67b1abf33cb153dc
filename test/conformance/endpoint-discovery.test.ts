/** The life of a subscription in each of the four forms in which endpoints can be asked for, over real gRPC. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER, ENDPOINT, LISTENER } from '../../eds-server/src/xds/resource-type.ts'
import { until } from '../../scripts/processes/until.ts'
import { type Assignment, decodeAssignment } from '../world/assignments.ts'
import { FORMS, type Form, formName, RawClient, type RawStream, type Received } from './raw-client.ts'
import { assignment, cluster } from './resources.ts'
import { IDENTIFIER, TestServer } from './server.ts'

/** `a:8081` for each endpoint, `a` for an assignment without. */
function endpointsIn(response: Received): string[] {
  return response.messages.map(decodeAssignment).flatMap(portsOf).sort()
}

function portsOf({ cluster_name, endpoints = [] }: Assignment): string[] {
  const ports = endpoints
    .flatMap(({ lb_endpoints = [] }) => lb_endpoints)
    .map(({ endpoint }) => `${cluster_name}:${endpoint.address.socket_address.port_value}`)
  return ports.length > 0 ? ports : [cluster_name]
}

function inEachForm(
  title: string,
  body: (context: { server: TestServer; client: RawClient; stream: RawStream; form: Form }) => Promise<void>,
): void {
  for (const form of FORMS) {
    test(`${formName(form)}: ${title}`, async () => {
      await using server = await TestServer.start()
      server.endpoints.set(assignment('a', 8081))
      server.endpoints.set(assignment('b', 8082))
      using client = new RawClient(server.port)
      await body({ server, client, stream: client.stream(form, ENDPOINT), form })
    })
  }
}

inEachForm(
  'subscribing is answered, with type, version, nonce and control plane (X-08, X-09)',
  async context => {
    const { stream, form } = context
    stream.subscribe(['a'])
    const first = await stream.next()
    assert.deepEqual(endpointsIn(first), ['a:8081'])
    const { typeUrl, version, nonce, controlPlane } = first
    assert.deepEqual(
      { typeUrl, version, controlPlane },
      { typeUrl: ENDPOINT.typeUrl, version: assignment('a', 8081).version, controlPlane: IDENTIFIER },
    )
    assert.notEqual(nonce, '')
    if (form.protocol === 'delta') assert.deepEqual([...first.versions], [['a', version]])
  },
)

inEachForm('a change sends what changed and nothing else (X-21, X-31)', async ({ server, stream }) => {
  stream.subscribe(['a', 'b'])
  const first = await stream.next()
  assert.deepEqual(endpointsIn(first), ['a:8081', 'b:8082'])
  stream.ack(first)
  await server.endpoints.acked('a', { timeoutMs: 5000 })
  server.endpoints.set(assignment('unasked', 1))
  server.endpoints.set(assignment('a', 8081))
  server.endpoints.set(assignment('b', 8083))
  const second = await stream.next()
  assert.deepEqual(endpointsIn(second), ['b:8083'])
  assert.notEqual(second.nonce, first.nonce)
})

inEachForm('what is not there yet is sent when it comes (X-26)', async ({ server, stream }) => {
  stream.subscribe(['a', 'late'])
  const first = await stream.next()
  assert.deepEqual(endpointsIn(first), ['a:8081'])
  assert.deepEqual(first.removed, stream.form.protocol === 'delta' ? ['late'] : [])
  stream.ack(first)
  server.endpoints.set(assignment('late', 9))
  assert.deepEqual(endpointsIn(await stream.next()), ['late:9'])
})

inEachForm(
  'after unsubscribing there is nothing; after resubscribing there is (X-07, X-22, X-36)',
  async context => {
    const { server, stream } = context
    stream.subscribe(['a', 'b'])
    stream.ack(await stream.next(), ['b'])
    await until('the server to know', () => !server.endpoints.isWatched('a'))
    server.endpoints.set(assignment('a', 7000))
    // What comes next is the fence: if `a` were sent, it would come first.
    server.endpoints.set(assignment('b', 7001))
    const second = await stream.next()
    assert.deepEqual(endpointsIn(second), ['b:7001'])
    stream.ack(second, ['a', 'b'])
    assert.deepEqual(endpointsIn(await stream.next()), ['a:7000'])
  },
)

inEachForm(
  'changes while a response is outstanding come as one (design.md 4.4)',
  async ({ server, stream }) => {
    stream.subscribe(['a'])
    const first = await stream.next()
    for (let port = 1; port <= 100; port += 1) server.endpoints.set(assignment('a', port))
    stream.ack(first)
    const second = await stream.next()
    assert.deepEqual(endpointsIn(second), ['a:100'])
    stream.ack(second)
    await server.endpoints.acked('a', { timeoutMs: 5000 })
    assert.equal(stream.pending, 0)
  },
)

inEachForm('a NACK is kept, shown and not answered until there is something newer (X-15)', async context => {
  const { server, stream, form } = context
  stream.subscribe(['a'])
  stream.ack(await stream.next())
  await server.endpoints.acked('a', { timeoutMs: 5000 })
  server.endpoints.set(assignment('a', 1))
  const refused = await stream.next()
  stream.nack(refused, 'malformed', assignment('a', 8081).version)
  server.endpoints.set(assignment('a', 2))
  const third = await stream.next()
  assert.deepEqual(endpointsIn(third), ['a:2'])
  const [node] = server.xds.nodes()
  assert.equal(node?.node, 'node-1')
  assert.equal(node?.cluster, 'front')
  const [type] = node?.types ?? []
  assert.equal(type?.version, assignment('a', 8081).version)
  assert.deepEqual([type?.protocol, type?.aggregated], [form.protocol, form.aggregated])
  assert.deepEqual([type?.nack?.version, type?.nack?.message], [refused.version, 'malformed'])
  stream.ack(third)
  const report = await server.endpoints.acked('a', { timeoutMs: 5000 })
  assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
  assert.equal(server.xds.nodes()[0]?.types[0]?.state, 'SYNCED')
  assert.equal(server.xds.nodes()[0]?.types[0]?.nack, undefined)
})

inEachForm('a stream that reconnects gets what changed meanwhile (X-12, X-20, X-38)', async context => {
  const { server, client, stream, form } = context
  stream.subscribe(['a', 'b'])
  const first = await stream.next()
  stream.ack(first)
  await server.endpoints.acked('a', { timeoutMs: 5000 })
  stream.call.cancel()
  await stream.ended
  server.endpoints.set(assignment('a', 1))
  const again = client.stream(form, ENDPOINT)
  const memory =
    form.protocol === 'sotw'
      ? { version_info: first.version, response_nonce: first.nonce }
      : { initial_resource_versions: [...first.versions].map(([key, value]) => ({ key, value })) }
  again.subscribe(['a', 'b'], memory)
  const second = await again.next()
  assert.deepEqual(endpointsIn(second), form.protocol === 'sotw' ? ['a:1', 'b:8082'] : ['a:1'])
  again.ack(second)
  const report = await server.endpoints.acked('b', { timeoutMs: 5000 })
  assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
})

inEachForm(
  'the wildcard of a type without legacy wildcard is explicit (X-24, X-25)',
  async ({ server, stream }) => {
    stream.subscribe([])
    stream.subscribe(['*'])
    const first = await stream.next()
    assert.deepEqual(endpointsIn(first), ['a:8081', 'b:8082'])
    stream.ack(first)
    server.endpoints.set(assignment('c', 3))
    assert.deepEqual(endpointsIn(await stream.next()), ['c:3'])
  },
)

for (const form of FORMS) {
  test(`${formName(form)}: naming nothing means all clusters; a removal is told (X-23, X-30, X-37)`, async () => {
    await using server = await TestServer.start()
    for (const name of ['a', 'b']) server.clusters.set(cluster(name))
    using client = new RawClient(server.port)
    const stream = client.stream(form, CLUSTER)
    stream.subscribe([])
    const first = await stream.next()
    assert.equal(first.messages.length, 2)
    stream.ack(first)
    await server.clusters.acked('a', { timeoutMs: 5000 })
    server.clusters.delete('a')
    const second = await stream.next()
    if (form.protocol === 'sotw') assert.equal(second.messages.length, 1)
    else assert.deepEqual([second.messages.length, second.removed], [0, ['a']])
    stream.ack(second)
    const report = await server.clusters.acked('a', { timeoutMs: 5000 })
    assert.deepEqual(report, { subscribers: 1, acked: 1, pending: [] })
  })
}

for (const form of FORMS.filter(({ aggregated }) => aggregated)) {
  test(`${formName(form)}: types on one stream go their own ways (X-04)`, async () => {
    await using server = await TestServer.start()
    server.endpoints.set(assignment('a', 1))
    using client = new RawClient(server.port)
    const stream = client.stream(form, ENDPOINT)
    stream.send({}, LISTENER)
    const listeners = await stream.next()
    assert.equal(listeners.typeUrl, LISTENER.typeUrl)
    // The listeners are never ACKed; endpoints do not mind.
    stream.subscribe(['a'])
    const first = await stream.next()
    assert.deepEqual(endpointsIn(first), ['a:1'])
    assert.notEqual(first.nonce, listeners.nonce)
    stream.ack(first)
    server.endpoints.set(assignment('a', 2))
    assert.deepEqual(endpointsIn(await stream.next()), ['a:2'])
    const states = server.xds.nodes()[0]?.types.map(({ typeUrl, state }) => [typeUrl, state])
    assert.deepEqual(states, [
      [ENDPOINT.typeUrl, 'STALE'],
      [LISTENER.typeUrl, 'STALE'],
    ])
  })

  test(`${formName(form)}: endpoints follow their changed cluster before its ACK (X-33, F16)`, async () => {
    await using server = await TestServer.start()
    server.clusters.set(cluster('c', { serviceName: 'a' }))
    server.clusters.set(cluster('d'))
    server.endpoints.set(assignment('a', 1))
    server.endpoints.set(assignment('d', 2))
    using client = new RawClient(server.port)
    const stream = client.stream(form, ENDPOINT)
    const ack = ({ nonce, version: version_info }: Received, type = CLUSTER, resource_names: string[] = []) =>
      stream.send(
        { response_nonce: nonce, ...(form.protocol === 'sotw' && { version_info, resource_names }) },
        type,
      )
    stream.send({}, CLUSTER)
    ack(await stream.next())
    stream.subscribe(['a', 'd'])
    stream.ack(await stream.next())
    await Promise.all([
      server.endpoints.acked('a', { timeoutMs: 5000 }),
      server.clusters.acked('c', { timeoutMs: 5000 }),
    ])
    server.clusters.set(cluster('c', { serviceName: 'a', seconds: 2 }))
    assert.equal((await stream.next()).typeUrl, CLUSTER.typeUrl)
    const follows = await stream.next()
    assert.deepEqual([follows.typeUrl, endpointsIn(follows)], [ENDPOINT.typeUrl, ['a:1']])
  })
}
