import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssignmentBuilder, buildAssignment } from '../../../eds-server/src/endpoints/endpoint-builder.ts'
import type { Instance, InstanceRecord } from '../../../eds-server/src/registry/instance.ts'
import { type Assignment, decodeAssignment } from '../../world/assignments.ts'
import { record } from '../../world/records.ts'

function instance(change: Partial<Instance> = {}): Instance {
  return {
    ...record(),
    incarnation: 1,
    lapsed: false,
    stalled: false,
    ttlMs: 15_000,
    registeredAtMs: 0,
    ...change,
  }
}

function build(...instances: Instance[]): Assignment {
  return decodeAssignment(buildAssignment('myservice', instances))
}

test('an instance becomes an endpoint with address, port and health, in a locality with a weight (X-41, X-45)', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(build(instance({ address: '10.0.0.7', port: 8081 })))), {
    cluster_name: 'myservice',
    endpoints: [
      {
        locality: {},
        load_balancing_weight: { value: 1 },
        lb_endpoints: [
          {
            endpoint: { address: { socket_address: { address: '10.0.0.7', port_value: 8081 } } },
            health_status: 1,
          },
        ],
      },
    ],
  })
})

test('no instance: an assignment without endpoints, and not silence (X-40)', () => {
  assert.deepEqual({ ...build() }, { cluster_name: 'myservice' })
})

test('each status has its health status; a lapsed lease is UNHEALTHY, but a drain stays DRAINING (X-46, X-49)', () => {
  const health = (change: Partial<Instance>): number | undefined =>
    build(instance(change)).endpoints?.[0]?.lb_endpoints?.[0]?.health_status
  assert.equal(health({ status: 'healthy' }), 1)
  assert.equal(health({ status: 'unhealthy' }), 2)
  assert.equal(health({ status: 'draining' }), 3)
  assert.equal(health({ status: 'degraded' }), 5)
  assert.equal(health({ status: 'healthy', lapsed: true }), 2)
  assert.equal(health({ status: 'draining', lapsed: true }), 3)
})

test('a withdrawn instance is told as UNHEALTHY, whatever its status was (X-50)', () => {
  const leaving = instance({ status: 'draining', port: 1 })
  const builder = new AssignmentBuilder('myservice')
  builder.tell(instance({ port: 2 }))
  builder.tell(leaving, true)
  const health = decodeAssignment(builder.encode()).endpoints?.[0]?.lb_endpoints?.map(
    endpoint => endpoint.health_status,
  )
  assert.deepEqual(health, [2, 1])
})

test('weight, canary and metadata arrive, the last two where subsets look for them', () => {
  const metadata = { version: '1.2', shard: 3, beta: true }
  const endpoint = build(instance({ weight: 50, canary: false, metadata })).endpoints?.[0]?.lb_endpoints?.[0]
  assert.equal(endpoint?.load_balancing_weight?.value, 50)
  const [lb] = endpoint?.metadata?.filter_metadata ?? []
  assert.equal(lb?.key, 'envoy.lb')
  assert.deepEqual(JSON.parse(JSON.stringify(lb?.value.fields)), [
    { key: 'beta', value: { bool_value: true } },
    { key: 'canary', value: { bool_value: false } },
    { key: 'shard', value: { number_value: 3 } },
    { key: 'version', value: { string_value: '1.2' } },
  ])
  assert.equal(build(instance()).endpoints?.[0]?.lb_endpoints?.[0]?.metadata, undefined)
})

test('sparse priorities become 0..N without a gap (X-45)', () => {
  const at = (priority: number): Instance => instance({ priority, port: 1 + priority })
  const priorities = build(at(90), at(3), at(3), at(0)).endpoints?.map(group => group.priority ?? 0)
  assert.deepEqual(priorities, [0, 1, 2])
})

const places = fc.constantFrom(
  { region: '', zone: '', subZone: '' },
  { region: 'eu', zone: 'eu-1', subZone: '' },
  { region: 'eu', zone: 'eu-1', subZone: 'a' },
  { region: 'eu-1', zone: '', subZone: 'eu' },
)
const records: fc.Arbitrary<Partial<InstanceRecord>[]> = fc.uniqueArray(
  fc.record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', '::1', '2001:db8::7'),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.integer({ min: 1, max: 65_535 }),
    priority: fc.integer({ min: 0, max: 127 }),
    status: fc.constantFrom('healthy' as const, 'draining' as const, 'unhealthy' as const),
    locality: places,
  }),
  { maxLength: 60, selector: ({ address, port }) => `${address} ${port}` },
)

test('any set of instances is acceptable to Envoy and gRPC: the list of X-41 to X-45', () => {
  fc.assert(
    fc.property(records, changes => {
      const assignment = build(...changes.map(change => instance(change)))
      const groups = assignment.endpoints ?? []
      const priorities = new Set(groups.map(group => group.priority ?? 0))
      assert.deepEqual(
        [...priorities],
        [...priorities.keys()].map((_, index) => index),
      )
      const keys = groups.map(group => JSON.stringify([group.locality, group.priority ?? 0]))
      assert.equal(new Set(keys).size, keys.length, 'a locality appears twice in one priority')
      for (const group of groups) {
        assert.ok(group.locality, 'locality is set')
        const weights = (group.lb_endpoints ?? []).map(endpoint => endpoint.load_balancing_weight?.value ?? 1)
        assert.equal(
          group.load_balancing_weight?.value,
          weights.reduce((sum, weight) => sum + weight, 0),
        )
      }
      const addresses = groups
        .flatMap(group => group.lb_endpoints ?? [])
        .map(({ endpoint }) => {
          const { address, port_value } = endpoint.address.socket_address
          return `${address} ${port_value}`
        })
      assert.deepEqual(addresses.sort(), changes.map(({ address, port }) => `${address} ${port}`).sort())
    }),
  )
})

test('equal content has equal bytes, in whatever order it came to be (X-20)', () => {
  fc.assert(
    fc.property(records, fc.nat(), (changes, seed) => {
      const shuffled = changes.map((change, index) => ({ change, rank: (index * 7919 + seed) % 1009 }))
      shuffled.sort((a, b) => a.rank - b.rank)
      const one = buildAssignment(
        's',
        changes.map(change => instance(change)),
      )
      const two = buildAssignment(
        's',
        shuffled.map(({ change }) => instance(change)),
      )
      assert.ok(one.equals(two))
    }),
  )
})

test('what was told before leaves no trace in the bytes, however many changes came between (X-20)', () => {
  const ports = fc.integer({ min: 1, max: 400 })
  const told = fc.record({ port: ports, weight: fc.integer({ min: 1, max: 9 }), locality: places })
  const change = fc.oneof(
    { weight: 4, arbitrary: told.map(fields => ({ isTold: true, changed: instance(fields) })) },
    { weight: 1, arbitrary: ports.map(port => ({ isTold: false, changed: instance({ port }) })) },
  )
  fc.assert(
    fc.property(fc.array(change, { maxLength: 1500, size: 'max' }), fc.nat({ max: 50 }), (changes, every) => {
      const builder = new AssignmentBuilder('s')
      const left = new Map<number, Instance>()
      for (const [index, { isTold, changed }] of changes.entries()) {
        if (isTold) builder.tell(changed)
        else builder.forget(changed)
        if (isTold) left.set(changed.port, changed)
        else left.delete(changed.port)
        if (index % (every + 1) === 0) builder.encode()
      }
      assert.ok(builder.encode().equals(buildAssignment('s', left.values())))
    }),
    { numRuns: 50 },
  )
})
