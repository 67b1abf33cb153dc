/** The same operations over HTTP and gRPC, on a whole server. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pino } from 'pino'
import { parseConfig } from '../../../eds-server/src/config.ts'
import { type RunningServer, startServer } from '../../../eds-server/src/server.ts'
import { until } from '../../../scripts/processes/until.ts'
import { anyOf, clusterNamed, listenerWith, routesTo, secretNamed } from './documents.ts'
import { type Answer, type Refusal, ResourcesClient } from './resources-client.ts'

const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster'

class Server implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'rollcall-api-'))
  #running: RunningServer | undefined

  async start(...args: readonly string[]): Promise<this> {
    const ports = ['--grpc-port', '0', '--http-port', '0', '--data-dir', join(this.folder, 'data')]
    this.#running = await startServer(parseConfig([...ports, ...args], {}), pino({ level: 'silent' }))
    return this
  }

  get grpcPort(): number {
    return this.#running?.grpcPort ?? 0
  }

  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Answer }> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(`http://127.0.0.1:${this.#running?.httpPort}${path}`, {
      method,
      ...(body !== undefined && { body: text, headers: { 'content-type': 'application/json' } }),
    })
    const answer = await response.text()
    return { status: response.status, body: answer === '' ? undefined : JSON.parse(answer) }
  }

  async metrics(): Promise<{ text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.#running?.httpPort}/metrics`)
    return { text: await response.text() }
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true })
  }
}

async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  return await work.then(
    () => assert.fail('it was not refused'),
    (refusal: Refusal) => refusal,
  )
}

test('put, read, list, replace and delete over HTTP; names are any text', async () => {
  await using server = await new Server().start()
  for (const name of ['a', 'a/b?c#d', '../..', '🙂 ü', '__proto__']) {
    const path = `/v1/resources/clusters/${encodeURIComponent(name).replaceAll('.', '%2E')}`
    const put = await server.call('PUT', path, clusterNamed(name))
    assert.deepEqual([put.status, put.body.name, put.body.origin], [201, name, 'api'], name)
    assert.equal((await server.call('PUT', path, clusterNamed(name, { connect_timeout: '1s' }))).status, 200)
    const { status, body } = await server.call('GET', path)
    assert.deepEqual([status, body.resource], [200, clusterNamed(name, { connect_timeout: '1s' })])
    assert.notEqual(body.version, put.body.version)
  }
  const { body: list } = await server.call('GET', '/v1/resources')
  assert.equal(list.resources.length, 5)
  const { body: openapi } = await server.call('GET', '/openapi.json')
  const { put, delete: remove } = openapi.paths['/v1/resources/{type}/{name}']
  assert.match(JSON.stringify(put.requestBody), /example_cluster/)
  assert.deepEqual(Object.keys(remove.responses).slice(0, 3), ['204', '400', '403'])
  assert.equal(list.resources[0].resource, undefined)
  const { body: full } = await server.call('GET', '/v1/resources/clusters?view=full')
  assert.equal(full.resources[0].resource['@type'], CLUSTER)
  assert.deepEqual((await server.call('GET', '/v1/resources/routes')).body, { resources: [], errors: [] })
  assert.equal((await server.call('DELETE', '/v1/resources/clusters/a')).status, 204)
  assert.equal((await server.call('GET', '/v1/resources/clusters/a')).body.code, 'ROLLCALL_RESOURCE_UNKNOWN')
})

test('a group has its own, and what is common', async () => {
  await using server = await new Server().start()
  const path = '/v1/resources/clusters/a'
  await server.call('PUT', path, clusterNamed('a'))
  await server.call('PUT', `${path}?group=edge`, clusterNamed('a', { connect_timeout: '1s' }))
  const versionIn = async (group: string) => (await server.call('GET', `${path}?group=${group}`)).body.version
  assert.notEqual(await versionIn('edge'), await versionIn(''))
  assert.equal(await versionIn('other'), await versionIn(''))
  assert.equal((await server.call('DELETE', `${path}?group=other`)).status, 404)
  assert.equal((await server.call('DELETE', `${path}?group=edge`)).status, 204)
  assert.equal(await versionIn('edge'), await versionIn(''))
})

describe('HTTP and gRPC take and refuse the same', () => {
  test('what is put by one is read by the other; types and names are checked', async () => {
    await using server = await new Server().start()
    using client = await ResourcesClient.connect(server.grpcPort)
    const put = await client.call('Put', { resource: anyOf(clusterNamed('a', { connect_timeout: '1s' })) })
    assert.deepEqual([put.created, put.resource.name, put.resource.type_url], [true, 'a', CLUSTER])
    const read = await server.call('GET', '/v1/resources/clusters/a')
    assert.deepEqual(read.body.resource, clusterNamed('a', { connect_timeout: '1s' }))
    await server.call('PUT', '/v1/resources/routes/r?group=g', routesTo('r', 'a'))
    const routes = await client.call('List', { group: 'g' })
    assert.deepEqual(
      routes.resources.map(({ name, group }: Answer) => [name, group]),
      [['r', 'g']],
    )
    const cluster = await client.call('Get', { type_url: CLUSTER, name: 'a', group: 'g' })
    assert.equal(cluster.version, read.body.version)
    assert.deepEqual(cluster.resource, anyOf(clusterNamed('a', { connect_timeout: '1s' })))
    const inUse = await refusalOf(client.call('Delete', { type_url: CLUSTER, name: 'a' }))
    assert.deepEqual([inUse.code, inUse.rollcallCode], [9, 'ROLLCALL_RESOURCE_IN_USE'])
    assert.equal((await server.call('DELETE', '/v1/resources/clusters/a')).body.code, inUse.rollcallCode)
    await server.call('DELETE', '/v1/resources/routes/r?group=g')
    await client.call('Delete', { type_url: CLUSTER, name: 'a' })
    const gone = await refusalOf(client.call('Get', { type_url: CLUSTER, name: 'a' }))
    assert.deepEqual([gone.code, gone.rollcallCode], [5, 'ROLLCALL_RESOURCE_UNKNOWN'])
  })

  const wrong: readonly [what: string, path: string, document: unknown, status: number, code: string][] = [
    ['dangling', 'routes/r', routesTo('r', 'gone'), 409, 'ROLLCALL_REFERENCE_DANGLING'],
    ['broken rule', 'clusters/a', clusterNamed('a', { lb_policy: 99 }), 400, 'ROLLCALL_INVALID_ARGUMENT'],
    [
      'too large',
      'clusters/a',
      clusterNamed('a', { alt_stat_name: 'x'.repeat(5 << 20) }),
      413,
      'ROLLCALL_BODY_TOO_LARGE',
    ],
    ['another name', 'clusters/b', clusterNamed('a'), 400, 'ROLLCALL_INVALID_ARGUMENT'],
    ['another type', 'listeners/a', clusterNamed('a'), 400, 'ROLLCALL_INVALID_ARGUMENT'],
    ['an unknown type', 'things/a', clusterNamed('a'), 404, 'ROLLCALL_RESOURCE_UNKNOWN'],
    ['no body', 'clusters/a', undefined, 400, 'ROLLCALL_INVALID_ARGUMENT'],
    ['no JSON', 'clusters/a', '{', 400, 'ROLLCALL_INVALID_ARGUMENT'],
  ]
  test('what is refused over HTTP names code and field, and changes nothing', async () => {
    await using server = await new Server().start()
    for (const [what, path, document, status, code] of wrong) {
      const refused = await server.call('PUT', `/v1/resources/${path}`, document)
      assert.deepEqual([refused.status, refused.body.code], [status, code], what)
    }
    const typed = await server.call('PUT', '/v1/resources/listeners/l', listenerWith({ rout_config: 1 }, 'l'))
    assert.equal(typed.body.field, '/filter_chains/0/filters/0/typed_config/rout_config')
    assert.match(
      (await server.call('PUT', '/v1/resources/clusters/a', 'x'.repeat(1 << 21))).body.detail,
      /1048576 bytes/,
    )
    assert.deepEqual((await server.call('GET', '/v1/resources')).body, { resources: [], errors: [] })
    const { text } = await server.metrics()
    assert.match(text, /rollcall_resource_refusals_total\{origin="api"\} 7\n/)
  })

  test('the same over gRPC, with the same codes; unknown fields and types in bytes too', async () => {
    await using server = await new Server().start()
    using client = await ResourcesClient.connect(server.grpcPort)
    const put = (resource: object) => refusalOf(client.call('Put', { resource }))
    assert.equal((await put(anyOf(routesTo('r', 'gone')))).rollcallCode, 'ROLLCALL_REFERENCE_DANGLING')
    const unknownField = await put({
      type_url: CLUSTER,
      value: Buffer.from([...Buffer.from('0a0161', 'hex'), 0xf8, 0x7f, 1]),
    })
    assert.deepEqual(
      [unknownField.code, unknownField.details],
      [
        3,
        'ROLLCALL_INVALID_ARGUMENT: resource: has field number 2047, which envoy.config.cluster.v3.Cluster does not have',
      ],
    )
    const unknownType = await put({ type_url: 'x/y.Z', value: Buffer.alloc(0) })
    assert.match(unknownType.details, /\/@type: "x\/y\.Z" is a type that is not known/)
    assert.match(
      (await put({ type_url: CLUSTER, value: Buffer.from([255, 255]) })).details,
      /is not the bytes of/,
    )
    assert.match((await put({})).details, /\/@type: is missing/)
    assert.match(
      (await refusalOf(client.call('Get', { type_url: 'x' }))).details,
      /"x" is no type of resource/,
    )
  })
})

test('secrets are never shown: not over HTTP, not over gRPC, and on disk to their owner alone', async () => {
  await using server = await new Server().start()
  using client = await ResourcesClient.connect(server.grpcPort)
  const put = await server.call('PUT', '/v1/resources/secrets/s', secretNamed('s'))
  assert.equal(put.status, 201)
  assert.equal(put.body.resource.tls_certificate.private_key.inline_string, '[redacted]')
  const { body } = await server.call('GET', '/v1/resources?view=full')
  assert.doesNotMatch(JSON.stringify(body), /PRIVATE/)
  const list = await client.call('List', {})
  assert.deepEqual([list.resources.length, list.resources[0].resource], [1, undefined])
  const folder = join(server.folder, 'data', 'resources')
  const [file = ''] = readdirSync(folder)
  assert.match(readFileSync(join(folder, file), 'utf8'), /PRIVATE/)
  assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
})

test('a server that listens beyond loopback refuses secrets', async () => {
  await using server = await new Server().start('--host', '0.0.0.0', '--insecure-no-auth')
  const { status, body } = await server.call('PUT', '/v1/resources/secrets/s', secretNamed('s'))
  assert.deepEqual([status, body.code], [403, 'ROLLCALL_SECRET_REFUSED'])
  assert.doesNotMatch(JSON.stringify(body), /PRIVATE/)
})

test('what was put is there after a restart; a stored file that is damaged is named and left alone', async () => {
  await using server = await new Server().start()
  for (const name of ['a', 'b', '🙂/..']) {
    await server.call('PUT', `/v1/resources/clusters/${encodeURIComponent(name)}?group=g`, clusterNamed(name))
  }
  await server.call('DELETE', '/v1/resources/clusters/b?group=g')
  const { body: before } = await server.call('GET', '/v1/resources?view=full')
  await server.stop()
  const damaged = join(server.folder, 'data', 'resources', 'damaged.json')
  writeFileSync(damaged, '{"group":"","document"')
  writeFileSync(`${damaged}.tmp`, 'half')
  await server.start()
  const { body: after } = await server.call('GET', '/v1/resources?view=full')
  assert.deepEqual(after.resources, before.resources)
  assert.equal(after.resources.length, 2)
  assert.deepEqual(
    after.errors.map(({ file }: Answer) => file),
    ['damaged.json'],
  )
  assert.equal(readFileSync(damaged, 'utf8'), '{"group":"","document"')
})

test('files, and what is wrong with them, are seen in the API, in metrics and on /readyz', async () => {
  await using server = new Server()
  const docs = join(server.folder, 'docs')
  mkdirSync(docs)
  writeFileSync(join(docs, 'a.yaml'), JSON.stringify(clusterNamed('a')))
  writeFileSync(join(docs, 'bad.yaml'), 'name: "a')
  await server.start('--resources', docs, '--lease-ttl', '100ms')
  const { body } = await server.call('GET', '/v1/resources')
  assert.deepEqual(
    body.resources.map(({ name, origin, source }: Answer) => [name, origin, source]),
    [['a', 'files', 'a.yaml']],
  )
  assert.deepEqual([body.errors[0].file, body.errors[0].path], ['bad.yaml', ''])
  const warnings = async () => {
    const { status, body: ready } = await server.call('GET', '/readyz')
    return status === 200 && (ready.warnings ?? [])
  }
  const [wrong, leftOut] = await until('it is warm', warnings)
  assert.match(wrong, /^resources: bad\.yaml: is not YAML/)
  assert.match(leftOut, /^resources: clients of before are told no changes/)
  const { text } = await server.metrics()
  assert.match(text, /rollcall_resources\{origin="files",type="clusters"\} 1\n/)
  assert.match(text, /rollcall_resource_errors 1\n/)
  assert.match(text, /rollcall_resource_refusals_total\{origin="files"\} 1\n/)
  const deleted = await server.call('DELETE', '/v1/resources/clusters/a')
  assert.equal(deleted.status, 404)
  assert.match(deleted.body.detail, /a\.yaml has it, and the API has not/)
  // The API hides the file, and gives the name back.
  await server.call('PUT', '/v1/resources/clusters/a', clusterNamed('a', { connect_timeout: '1s' }))
  assert.equal((await server.call('GET', '/v1/resources/clusters/a')).body.origin, 'api')
  await server.call('DELETE', '/v1/resources/clusters/a')
  assert.equal((await server.call('GET', '/v1/resources/clusters/a')).body.origin, 'files')
  writeFileSync(join(docs, 'bad.yaml'), JSON.stringify(clusterNamed('b')))
  await until('no warning is left', async () => (await warnings()).length === 0)
})

test('a time to live is shown, and outlives the process', async () => {
  await using server = await new Server().start()
  const wrapper = {
    '@type': 'type.googleapis.com/envoy.service.discovery.v3.Resource',
    ttl: '1.500s',
    resource: clusterNamed('a'),
  }
  const path = '/v1/resources/clusters/a'
  assert.equal((await server.call('PUT', path, wrapper)).body.ttl, '1.5s')
  await server.stop()
  await server.start()
  const { body } = await server.call('GET', path)
  assert.deepEqual([body.ttl, body.resource], ['1.5s', clusterNamed('a')])
  assert.equal((await server.call('PUT', path, clusterNamed('a'))).body.ttl, undefined)
})
