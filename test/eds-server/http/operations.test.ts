import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_TABLE } from '../../../eds-server/src/errors.ts'
import type { Readiness } from '../../../eds-server/src/http/context.ts'
import { startApi } from './api.ts'
import { startDiscovery } from './discovery.ts'

test('the process is alive, and ready when it says so', async () => {
  let readiness: Readiness = { ready: false, reason: 'registrations are being loaded' }
  await using api = await startApi({ readiness: () => readiness })
  assert.deepEqual((await api.call('GET', '/healthz')).body, { status: 'ok' })
  assert.equal((await api.call('HEAD', '/healthz')).status, 200)
  const not = await api.call('GET', '/readyz')
  assert.deepEqual(
    [not.status, not.body.code, not.body.detail],
    [503, 'ROLLCALL_NOT_READY', 'registrations are being loaded'],
  )
  assert.equal(not.headers.get('retry-after'), '1')
  readiness = { ready: true }
  assert.deepEqual((await api.call('GET', '/readyz')).body, { status: 'ready' })
})

test('metrics are text', async () => {
  await using api = await startApi()
  const { status, headers, body } = await api.call('GET', '/metrics')
  assert.equal(status, 200)
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  assert.match(body, /^rollcall_http_event_streams 0$/m)
  assert.match(body, /^process_cpu_seconds_total /m)
})

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly description?: string
  readonly example?: string
}

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { required?: boolean; content: { 'application/json': { example?: unknown } } }
  readonly responses: Record<string, { description: string; content?: Record<string, unknown> }>
}

test('the document describes every route with its answers', async () => {
  await using api = await startDiscovery()
  const { body } = await api.call('GET', '/openapi.json')
  assert.equal(body.openapi, '3.1.0')
  const codes = new Set(Object.values(ERROR_TABLE).map(({ http }) => String(http)))
  for (const [path, operations] of Object.entries<Record<string, Operation>>(body.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`
      assert.ok(operation.summary && operation.description, name)
      for (const { name: parameter, description } of operation.parameters ?? []) {
        assert.ok(description || parameter, name)
      }
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        assert.ok(description && description !== 'Default Response', `${name} ${status}`)
        if (Number(status) < 400) continue
        assert.ok(codes.has(status), `${name} ${status}`)
        assert.deepEqual(Object.keys(content ?? {}), ['application/problem+json'])
      }
    }
  }
  const heartbeat = body.paths['/v1/services/{service}/instances/{instanceId}/heartbeat'].put
  assert.equal(heartbeat.requestBody.required, false)
  assert.ok(!JSON.stringify(body).includes('x-optional-body'))
})

/** In an order in which each finds what it needs. */
const EXAMPLES = [
  'post /edsservice/{service}',
  'get /edsservice/{service}',
  'get /edsservice',
  'put /edsservice/{service}',
  'post /v3/discovery:endpoints',
  'post /v2/discovery:endpoints',
  'delete /edsservice/{service}',
  'post /v1/registration/{service}',
  'get /v1/registration/{service}',
  'get /v1/registration/repo/{repo}',
  'post /v1/loadbalancing/{service}',
  'post /v1/loadbalancing/{service}/{host}',
  'delete /v1/registration/{service}/{host}',
  'put /v1/services/{service}/instances/{instanceId}',
  'put /v1/services/{service}/instances/{instanceId}/heartbeat',
  'post /v1/heartbeats',
  'patch /v1/services/{service}/instances/{instanceId}',
  'get /v1/services/{service}/instances/{instanceId}',
  'get /v1/services/{service}/instances/{instanceId}/delivery',
  'get /v1/services/{service}/instances',
  'get /v1/self-preservation',
  'put /v1/self-preservation',
  'get /v1/services',
  'get /v1/nodes',
  'post /v3/discovery:client_status',
  'post /v1/services/{service}/instances/{instanceId}/drain',
  'delete /v1/services/{service}/instances/{instanceId}',
  'get /edsservice/register',
  'get /edsservice/deregister',
  'get /healthz',
  'get /readyz',
  'get /metrics',
  'get /openapi.json',
]

test('the examples of the document work; only the incarnation is that of the registration', async () => {
  await using api = await startDiscovery()
  const { body: document } = await api.call('GET', '/openapi.json')
  const all = Object.entries<object>(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(method => `${method} ${path}`),
  )
  // A stream that never ends, and what only a connected client can show.
  const others = ['get /v1/events', 'get /v1/nodes/{node}/config']
  assert.deepEqual([...EXAMPLES, ...others].sort(), all.sort())
  let incarnation = 0
  for (const name of EXAMPLES) {
    const [method = '', path = ''] = name.split(' ')
    const { parameters = [], requestBody } = document.paths[path][method] as Operation
    const url = new URL(path, api.url)
    const headers: Record<string, string> = {}
    for (const { name: parameter, in: place, example } of parameters) {
      if (example === undefined) continue
      if (place === 'path') url.pathname = decodeURI(url.pathname).replace(`{${parameter}}`, example)
      if (place === 'query' && parameter !== 'timeout') url.searchParams.set(parameter, example)
      if (place === 'header')
        headers[parameter] = parameter === 'rollcall-incarnation' ? String(incarnation) : example
    }
    const example = requestBody?.content['application/json'].example
    assert.ok(!requestBody || example, name)
    const text = JSON.stringify(example)?.replace('"incarnation":1,', `"incarnation":${incarnation},`)
    const { status, body } = await api.call(method.toUpperCase(), url.pathname + url.search, {
      headers: { ...headers, ...(text && { 'content-type': 'application/json' }) },
      ...(text && { text }),
    })
    assert.ok(status < 300, `${name}: ${status} ${JSON.stringify(body)}`)
    if (name === 'put /v1/services/{service}/instances/{instanceId}') ({ incarnation } = body)
    if (name === 'post /v1/heartbeats') assert.deepEqual(body, { renewed: 1, refused: [] })
  }
})
