/** Client status as an operator asks for it: over gRPC, over REST, and as a dump of one client. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { clientStatus } from '../../eds-server/src/xds/client-status.ts'
import type { ClientStatus } from '../../eds-server/src/xds/node-status.ts'
import { packageDefinition } from '../../eds-server/src/xds/protos.ts'
import { CLUSTER } from '../../eds-server/src/xds/resource-type.ts'
import { until } from '../../scripts/processes/until.ts'
import { clusterNamed, secretNamed } from '../eds-server/resources/documents.ts'
import { ResourcesClient } from '../eds-server/resources/resources-client.ts'
import { TestedServer } from '../world/running-server.ts'
import { RawClient, type RawStream } from './raw-client.ts'
import { cluster } from './resources.ts'

const SERVICE = 'envoy.service.status.v3.ClientStatusDiscoveryService'
const ADS = { protocol: 'sotw', aggregated: true } as const
const SYNCED = 1
const STALE = 3
const ERROR = 4

async function put(server: TestedServer, ...documents: readonly Record<string, unknown>[]): Promise<void> {
  for (const document of documents) {
    const type = String(document['@type']).endsWith('Secret') ? 'secrets' : 'clusters'
    const { status, text } = await server.call('PUT', `/v1/resources/${type}/${document.name}`, document)
    assert.ok(status < 300, text)
  }
}

/** A client that has asked for clusters and has not answered. */
function asks(client: RawClient, server: TestedServer, node: string, metadata?: object): RawStream {
  assert.ok(server.grpcPort)
  const stream = client.stream(ADS, CLUSTER, '')
  const fields = metadata && { metadata: { fields: metadata } }
  stream.send({ resource_names: [], node: { id: node, cluster: 'front', ...fields } })
  return stream
}

// biome-ignore lint/suspicious/noExplicitAny: as the library decodes it
type Config = any

async function statusOf(server: TestedServer, request: object): Promise<Config[]> {
  using client = await ResourcesClient.connect(server.grpcPort, SERVICE)
  return (await client.call('FetchClientStatus', request)).config ?? []
}

function idsIn(configs: readonly Config[]): string[] {
  return configs.map(({ node }) => node.id).sort()
}

describe('client status (X-64)', () => {
  test('each resource is SYNCED, NOT_SENT, STALE or ERROR, with what was refused and why', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a'))
    using client = new RawClient(server.grpcPort)
    const stream = asks(client, server, 'envoy-1')
    const first = await stream.next()
    const state = async (name: string): Promise<Config> => {
      const [config] = await statusOf(server, {})
      return config?.generic_xds_configs?.find((each: Config) => each.name === name)
    }
    const stale = await state('a')
    assert.deepEqual([stale.type_url, stale.config_status], [CLUSTER.typeUrl, STALE])
    stream.ack(first)
    await until('it is accepted', async () => (await state('a')).config_status === SYNCED)
    assert.equal((await state('a')).xds_config.type_url, CLUSTER.typeUrl)
    assert.match((await state('a')).version_info, /^[\w-]{16}$/)
    assert.ok(Math.abs(Number((await state('a')).last_updated.seconds) - Date.now() / 1000) < 60)
    await put(server, clusterNamed('b'))
    const second = await stream.next()
    stream.nack(second, 'b: <img src=x onerror=alert(1)>', first.version)
    await until('it is refused', async () => (await state('b')).config_status === ERROR)
    const refused = await state('b')
    assert.equal(refused.error_state.details, 'b: <img src=x onerror=alert(1)>')
    assert.equal(refused.error_state.version_info, refused.version_info)
    assert.ok(refused.xds_config.value.length > 0)
    // Nothing newer is outstanding, and the next one waits for nobody.
    await put(server, clusterNamed('c'))
    await stream.next()
    assert.equal((await state('c')).config_status, STALE)

    const bare = await statusOf(server, { exclude_resource_contents: true })
    assert.deepEqual(
      bare[0].generic_xds_configs.map((each: Config) => each.xds_config),
      bare[0].generic_xds_configs.map(() => undefined),
    )
  })

  test('what is subscribed and not there is NOT_SENT', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a'))
    using client = new RawClient(server.grpcPort)
    const stream = client.stream(ADS, CLUSTER, 'envoy-1')
    const url = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration'
    stream.send({ type_url: url, resource_names: ['nowhere'] })
    const { body } = await until('it is known', async () => {
      const answer = await server.call('POST', '/v3/discovery:client_status', {})
      return answer.body.config?.[0]?.generic_xds_configs ? answer : undefined
    })
    const [generic] = body.config[0].generic_xds_configs
    assert.deepEqual(generic, { type_url: url, name: 'nowhere', config_status: 'NOT_SENT' })
  })

  test('one of the matchers has to match, of one matcher everything', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a'))
    using client = new RawClient(server.grpcPort)
    const zone = (text: string): object[] => [
      { key: 'zone', value: { string_value: text } },
      { key: 'tier', value: { struct_value: { fields: [{ key: 'n', value: { number_value: 2 } }] } } },
    ]
    const streams = [
      asks(client, server, 'Edge-1', zone('a')),
      asks(client, server, 'edge-2', zone('b')),
      asks(client, server, 'core-1'),
    ]
    for (const stream of streams) await stream.next()
    const matched = async (...node_matchers: object[]): Promise<string[]> => {
      const { status, text, body } = await server.call('POST', '/v3/discovery:client_status', {
        node_matchers,
      })
      assert.equal(status, 200, text)
      const config: Config[] = body.config ?? []
      return idsIn(config)
    }
    const id = (matcher: object) => ({ node_id: matcher })
    const meta = (key: string, value: object) => ({ path: [{ key }], value })
    assert.deepEqual(await matched(), ['Edge-1', 'core-1', 'edge-2'])
    assert.deepEqual(await matched({}), ['Edge-1', 'core-1', 'edge-2'])
    assert.deepEqual(await matched(id({ exact: 'core-1' }), id({ prefix: 'edge' })), ['core-1', 'edge-2'])
    assert.deepEqual(await matched(id({ prefix: 'EDGE', ignore_case: true })), ['Edge-1', 'edge-2'])
    assert.deepEqual(await matched(id({ suffix: '-1' })), ['Edge-1', 'core-1'])
    assert.deepEqual(await matched(id({ contains: 'dge-' })), ['Edge-1', 'edge-2'])
    const inA = meta('zone', { string_match: { exact: 'a' } })
    assert.deepEqual(await matched({ node_metadatas: [inA] }), ['Edge-1'])
    assert.deepEqual(await matched({ ...id({ exact: 'edge-2' }), node_metadatas: [inA] }), [])
    const second = { path: [{ key: 'tier' }, { key: 'n' }], value: { double_match: { exact: 2 } } }
    assert.deepEqual(await matched({ node_metadatas: [second] }), ['Edge-1', 'edge-2'])
    assert.deepEqual(await matched({ node_metadatas: [meta('constructor', { present_match: true })] }), [])
  })

  test('metadata that nobody can read spoils no answer', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a'))
    using client = new RawClient(server.grpcPort)
    const fields = [{ key: 'n', value: { number_value: Number.NaN } }]
    await asks(client, server, 'odd', fields).next()
    await asks(client, server, 'even', [{ key: 'n', value: { number_value: 1 } }]).next()
    const { status, text, body } = await server.call('POST', '/v3/discovery:client_status', {})
    assert.equal(status, 200, text)
    const metadata = body.config.map(({ node }: Config) => [node.id, node.metadata])
    assert.deepEqual(metadata.sort(), [
      ['even', { n: 1 }],
      ['odd', undefined],
    ])
    assert.deepEqual(idsIn(await statusOf(server, {})), ['even', 'odd'])
  })

  test('what is not understood is refused by its path, over gRPC and REST alike', async () => {
    await using server = await TestedServer.start()
    using client = await ResourcesClient.connect(server.grpcPort, SERVICE)
    for (const [matcher, part] of [
      [{ node_id: { safe_regex: { regex: '(a+)+$' } } }, 'node_matchers[0].node_id.safe_regex'],
      [{ node_id: {} }, 'node_matchers[0].node_id'],
      [{ node_id: { prefix: '' } }, 'node_matchers[0].node_id.prefix'],
      [{ node_metadatas: [{ path: [{ key: 'a' }] }] }, 'node_matchers[0].node_metadatas[0].value'],
    ] as const) {
      const { status, body } = await server.call('POST', '/v3/discovery:client_status', {
        node_matchers: [matcher],
      })
      assert.deepEqual([status, body.code, body.field], [400, 'ROLLCALL_INVALID_ARGUMENT', part], body.detail)
    }
    const regex = { node_matchers: [{ node_id: { safe_regex: { regex: 'a' } } }] }
    await assert.rejects(client.call('FetchClientStatus', regex), { code: 3 })
    const typo = await server.call('POST', '/v3/discovery:client_status', { node_matcher: [] })
    assert.equal(typo.status, 400, typo.text)
    assert.match(typo.body.detail, /node_matcher/)
  })

  test('a stream has one answer for each request', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a'))
    using asking = new RawClient(server.grpcPort)
    await asks(asking, server, 'envoy-1').next()
    const methods = packageDefinition[SERVICE] as Record<string, MethodDefinition<object, object>>
    const method = methods.StreamClientStatus
    assert.ok(method)
    const client = new Client(`127.0.0.1:${server.grpcPort}`, credentials.createInsecure())
    const call = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    )
    const answers: Config[] = []
    call.on('data', answer => answers.push(answer))
    const ended = new Promise<number>(resolve => {
      call.on('error', (error: ServiceError) => resolve(error.code))
    })
    call.write({})
    call.write({ node_matchers: [{ node_id: { exact: 'nobody' } }] })
    await until('both are answered', () => answers.length === 2)
    assert.deepEqual(
      answers.map(({ config = [] }) => idsIn(config)),
      [['envoy-1'], []],
    )
    assert.equal(answers[0].config[0].generic_xds_configs[0].config_status, STALE)
    call.write({ node_matchers: [{ node_id: {} }] })
    assert.equal(await ended, 3)
    client.close()
  })

  test('a secret is named and never shown', async () => {
    await using server = await TestedServer.start()
    await put(server, secretNamed('s'))
    using client = new RawClient(server.grpcPort)
    const stream = client.stream(ADS, CLUSTER, 'envoy-1')
    const url = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
    stream.send({ type_url: url, resource_names: ['s'] })
    const told = await stream.next()
    assert.match(String(told.messages[0]), /PRIVATE/)
    stream.send({
      type_url: url,
      resource_names: ['s'],
      response_nonce: told.nonce,
      error_detail: { code: 3, message: 'cannot load private_key: "PRIVATE"' },
    })
    const [config] = await until('the refusal is known', async () => {
      const configs = await statusOf(server, {})
      return configs[0]?.generic_xds_configs?.[0]?.config_status === ERROR && configs
    })
    assert.equal(config.generic_xds_configs[0].xds_config, undefined)
    const shown = [
      JSON.stringify(config),
      (await server.call('GET', '/v1/nodes')).text,
      (await server.call('GET', '/v1/nodes/envoy-1/config')).text,
      (await server.call('POST', '/v3/discovery:client_status', {})).text,
      server.log.join(''),
    ]
    for (const text of shown) {
      assert.match(text, /not repeated: it may quote a secret/)
      assert.doesNotMatch(text, /PRIVATE/)
    }
    const dump = await server.call('GET', '/v1/nodes/envoy-1/config?type=secrets')
    assert.deepEqual(
      dump.body.clients[0].types[0].resources.map((each: Config) => [each.name, each.state, each.resource]),
      [['s', 'NACKED', '[redacted]']],
    )
  })

  test('the dump of one client: any id, one type or all, and what it does not know', async () => {
    await using server = await TestedServer.start()
    await put(server, clusterNamed('a', { connect_timeout: '3s' }))
    using client = new RawClient(server.grpcPort)
    const id = '../a b/%2F?#<b>__proto__é'
    const stream = asks(client, server, id)
    stream.nack(await stream.next(), 'no such thing')
    const path = `/v1/nodes/${encodeURIComponent(id)}/config`
    const { body } = await until('the refusal is known', async () => {
      const answer = await server.call('GET', path)
      return answer.body.clients?.[0].types[0].resources[0].state === 'NACKED' && answer
    })
    assert.equal(body.node, id)
    const [{ type, resources }] = body.clients[0].types
    assert.equal(type, 'clusters')
    const [{ error, resource, version, lastUpdated }] = resources
    assert.deepEqual([error.message, error.code], ['no such thing', 3])
    assert.deepEqual([resource.name, resource.connect_timeout], ['a', '3s'])
    assert.ok(version && lastUpdated && error.at)
    assert.deepEqual((await server.call('GET', `${path}?type=listeners`)).body.clients[0].types, [])
    const unknown = await server.call('GET', '/v1/nodes/nobody/config')
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'ROLLCALL_NODE_UNKNOWN'])
    const wrong = await server.call('GET', `${path}?type=cluster`)
    assert.deepEqual([wrong.status, wrong.body.code], [404, 'ROLLCALL_RESOURCE_UNKNOWN'])
    const [nack] = (await server.call('GET', '/v1/nodes')).body.nodes[0].types.map(
      (each: Config) => each.nack,
    )
    assert.deepEqual([nack.resources, nack.message], [['a'], 'no such thing'])
    const line = server.log.map(text => JSON.parse(text)).find(({ msg }) => msg === 'NACK')
    assert.deepEqual([line.node, line.names, line.message], [id, ['a'], 'no such thing'])
    assert.match(
      (await server.call('GET', '/metrics')).text,
      /rollcall_xds_nacks_total\{type_url="[^"]*Cluster"\} 1/,
    )
  })

  test('a fleet that is too large for one answer is refused before it takes the memory', t => {
    const resource = cluster('a-cluster-with-a-name-of-some-length')
    const status = {
      name: resource.name,
      resource,
      state: 'SYNCED',
      changedAt: 1e12,
      nack: undefined,
    } as const
    const type = {
      typeUrl: CLUSTER.typeUrl,
      protocol: 'sotw',
      aggregated: true,
      resources: Array.from({ length: 1000 }, () => status),
    } as const
    const clients = Array.from(
      { length: 1000 },
      (_, index): ClientStatus => ({
        node: { id: `envoy-${index}`, cluster: 'front' },
        peer: `127.0.0.1:${index}`,
        connectedAt: new Date(),
        types: () => [type],
      }),
    )
    const limit = 16 * 1024 * 1024
    const before = process.memoryUsage().rss
    let startedAt = performance.now()
    assert.throws(() => clientStatus(clients, {}, limit), { code: 'ROLLCALL_LIMIT_REACHED' })
    const refusedMs = performance.now() - startedAt
    startedAt = performance.now()
    const one = clientStatus(clients, { node_matchers: [{ node_id: { exact: 'envoy-7' } }] }, limit)
    const oneMs = performance.now() - startedAt
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024
    assert.ok(one.length > 100_000 && grown < 300, `${grown} MiB`)
    t.diagnostic(
      `1,000 x 1,000: refused after ${refusedMs.toFixed(0)} ms, +${grown.toFixed(0)} MiB; one client ${oneMs.toFixed(1)} ms, ${one.length} bytes`,
    )
  })
})
