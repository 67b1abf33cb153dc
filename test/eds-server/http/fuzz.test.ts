import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OTHER_SECRET, SECRET } from '../../world/records.ts'
import { type Api, startApi } from './api.ts'
import { startDiscovery } from './discovery.ts'

const names = fc.oneof(
  fc.constantFrom('myservice', 'one', 'repo', '__proto__', 'constructor', '..', '.', '*', 'é', ''),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

const values = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.integer({ min: -1, max: 70_000 }),
  fc.constantFrom(
    '127.0.0.1',
    '10.0.0.1',
    '::1',
    '169.254.169.254',
    'healthy',
    'draining',
    SECRET,
    {},
    [],
    null,
  ),
)

const FIELDS = ['address', 'port', 'status', 'weight', 'locality', 'priority', 'canary', 'metadata', 'ttlMs']

/** Mostly bodies that are nearly right: a right port, some fields right, some anything. */
const bodies = fc.oneof(
  fc.record({ port: fc.integer({ min: 1, max: 65_535 }) }),
  fc
    .tuple(fc.integer({ min: 1, max: 65_535 }), fc.dictionary(fc.constantFrom(...FIELDS, 'x'), values))
    .map(([port, rest]) => ({ port, ...rest })),
  fc.record({ status: values }),
  fc.record({
    hosts: fc.array(fc.record({ ip_address: values, port: values, tags: values }, { requiredKeys: [] })),
  }),
  fc.record({
    hosts: fc.array(
      fc.record({ ip_address: fc.constant('127.0.0.1'), port: fc.integer({ min: 1, max: 65_535 }) }),
    ),
  }),
  fc.record(
    { version_info: values, node: values, resource_names: values, type_url: values },
    { requiredKeys: [] },
  ),
  fc.record({ versionInfo: values, resourceNames: fc.array(names), node: fc.record({ id: names }) }),
  fc.record({ ip: values, port: values, tags: values, revision: values }, { requiredKeys: ['port'] }),
  fc.record({ load_balancing_weight: values }),
  fc.record({ weight: values, metadata: fc.dictionary(fc.string(), values) }, { requiredKeys: [] }),
  fc.record({
    heartbeats: fc.array(
      fc.record(
        { service: names, instanceId: names, incarnation: values, leaseSecret: values },
        { requiredKeys: [] },
      ),
    ),
  }),
  values,
)

const queries = fc.dictionary(
  fc.constantFrom('wait', 'timeout', 'state', 'service', 'endpoint', 'x'),
  fc.oneof(
    fc.constantFrom(
      'acked',
      '5ms',
      '1s',
      'live',
      'gone',
      'myservice',
      '127.0.0.1:8081',
      '[::1]:8081',
      '1.2.3.4:0',
    ),
    fc.string(),
  ),
)

const headers = fc.record(
  {
    'rollcall-lease-secret': fc.constantFrom(SECRET, OTHER_SECRET, 'x', ''),
    'rollcall-incarnation': fc.constantFrom('1', '0', '-1', '9007199254740991', 'x', ''),
    'content-encoding': fc.constantFrom('identity', 'gzip'),
  },
  { requiredKeys: [] },
)

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

function formOf(body: unknown): string {
  const fields = Object.entries(typeof body === 'object' && body !== null ? body : { x: body })
  const texts = fields.map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
  ])
  return new URLSearchParams(texts).toString()
}

interface Route {
  readonly method: string
  readonly path: string
  readonly statuses: ReadonlySet<string>
}

async function documentedRoutes(api: Api): Promise<Route[]> {
  const { body } = await api.call('GET', '/openapi.json')
  return Object.entries<Record<string, { responses: object }>>(body.paths)
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { responses }]) => ({
        method: method.toUpperCase(),
        path,
        statuses: new Set(Object.keys(responses)),
      })),
    )
    .filter(({ path }) => path !== '/v1/events')
}

/** A name as one segment of a path; URL parsers fold away what looks like a dot segment even when it is encoded. */
function segment(name: string): string {
  return name === '.' || name === '..' ? `${name}x` : encodeURIComponent(Buffer.from(name).toString())
}

test('no request whatsoever gets a 5xx or a status that the document does not have (F53, F57)', async () => {
  await using api = await startDiscovery()
  const routes = await documentedRoutes(api)
  const requests = fc.record({
    route: fc.constantFrom(...routes),
    service: names,
    instanceId: names,
    host: fc.oneof(names, fc.constantFrom('127.0.0.1', '127.0.0.1:8081', '[::1]:80', '::1')),
    isForm: fc.boolean(),
    query: fc.oneof(fc.constant({}), queries),
    body: fc.option(bodies, { nil: undefined }),
    headers,
  })
  await fc.assert(
    fc.asyncProperty(
      requests,
      async ({ route, service, instanceId, host, isForm, query, body, headers: given }) => {
        const path = route.path
          .replace('{service}', segment(service))
          .replace('{instanceId}', segment(instanceId))
          .replace('{host}', segment(host))
          .replace('{repo}', segment(host))
        const search = new URLSearchParams(query).toString()
        const answer = await api.call(route.method, search ? `${path}?${search}` : path, {
          headers: { ...given, ...(isForm && FORM) },
          ...(route.method !== 'GET' && isForm && { text: formOf(body) }),
          ...(route.method !== 'GET' && !isForm && { body }),
        })
        const shown = `${route.method} ${path}?${search} ${JSON.stringify(body)}: ${answer.status}`
        // An empty segment, and the reserved name, make it another path: that is a 404 or 405 of the router.
        const isOther =
          (service === 'repo' || [service, instanceId, host].includes('')) &&
          [404, 405].includes(answer.status)
        assert.ok(isOther || route.statuses.has(String(answer.status)), shown)
        // A poller that shows a version for a name never heard of may know more than we do: 503, on purpose.
        const isHeld = route.path.includes('/discovery:') && answer.body?.code === 'ROLLCALL_NOT_READY'
        assert.ok(answer.status < 500 || isHeld, shown)
        if (answer.status >= 400) assert.equal(answer.body.status, answer.status, shown)
      },
    ),
    { numRuns: 1_500 },
  )
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  for (const service of api.registry.services()) {
    assert.match(service, /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/)
    for (const { address } of api.registry.instances(service) ?? [])
      assert.notEqual(address, '169.254.169.254')
  }
})

test('no bytes in a body get a 5xx, and those that are refused change nothing', async () => {
  await using api = await startApi()
  const valid = Buffer.from(JSON.stringify({ port: 8081, locality: { zone: 'z' }, metadata: { a: 'é' } }))
  const flips = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  const path = '/v1/services/myservice/instances/one'
  await fc.assert(
    fc.asyncProperty(fc.oneof(flips, fc.uint8Array({ maxLength: 200 })), async given => {
      let bytes = Buffer.from(valid)
      if (given instanceof Uint8Array) bytes = Buffer.from(given)
      else for (const [at, value] of given) bytes[at] = value
      const before = JSON.stringify(api.registry.get('myservice', 'one'))
      const headers = { 'content-type': 'application/json', 'rollcall-lease-secret': SECRET }
      const { status } = await api.call('PUT', path, { text: bytes, headers })
      assert.ok([200, 201, 400].includes(status), `${status} ${bytes}`)
      if (status === 400) assert.equal(JSON.stringify(api.registry.get('myservice', 'one')), before)
    }),
    { numRuns: 500 },
  )
})
