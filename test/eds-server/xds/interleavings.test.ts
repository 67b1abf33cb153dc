/** F19: whatever crosses whatever, every subscribed name is finally delivered, and nothing is sent unasked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { WILDCARD } from '../../../eds-server/src/xds/resource-cache.ts'
import { CLUSTER, ENDPOINT, type ResourceType } from '../../../eds-server/src/xds/resource-type.ts'
import { DeltaModel, type ModelClient, SotwModel } from './model-client.ts'
import { resource } from './watch-bench.ts'

type Step =
  | { do: 'set'; name: string; content: string }
  | { do: 'delete'; name: string }
  | { do: 'subscribe'; names: string[] }
  | { do: 'client reads'; reply: 'ack' | 'nack' }
  | { do: 'server reads' | 'stale' | 'reconnect' | 'move' }

const NAMES = ['a', 'b', 'c', 'd']
const name = fc.constantFrom(...NAMES)
const content = fc.constantFrom('1', '2', '3')
const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), name, content }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('subscribe' as const),
        names: fc.uniqueArray(fc.constantFrom(...NAMES, '*'), { maxLength: 4 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('client reads' as const),
        reply: fc.constantFrom('ack' as const, 'ack' as const, 'nack' as const),
      }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'server reads',
          'server reads',
          'server reads',
          'stale',
          'reconnect',
          'move' as const,
        ),
      }),
    },
  ) as fc.Arbitrary<Step>,
  { maxLength: 60, size: 'max' },
)

function apply(step: Step, client: ModelClient): void {
  const { cache } = client
  if (step.do === 'set') cache.set(resource(cache.type, step.name, step.content))
  if (step.do === 'delete') cache.delete(step.name)
  if (step.do === 'set' || step.do === 'delete') client.changed()
  if (step.do === 'subscribe') client.subscribe(new Set(step.names))
  if (step.do === 'client reads') client.clientReads(step.reply)
  if (step.do === 'server reads') client.serverReads()
  if (step.do === 'stale') client.sendStale()
  if (step.do === 'reconnect') client.reconnect()
  if (step.do === 'move') client.move()
}

/** SotW cannot tell that a resource of a partial type is gone: its client keeps it. */
function assertDelivered(client: ModelClient, cache: LinearCache, tellsAbsence: boolean): void {
  const expected = client.expected()
  const has = tellsAbsence ? client.has : new Map([...client.has].filter(([each]) => cache.get(each)))
  assert.deepEqual(sorted(has), sorted(expected))
}

function sorted(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

function holds(type: ResourceType, makeClient: (cache: LinearCache) => ModelClient, isSotw: boolean): void {
  fc.assert(
    fc.property(STEPS, steps => {
      const first = new LinearCache(type)
      first.set(resource(type, 'a', '1'))
      const client = makeClient(first)
      for (const step of steps) apply(step, client)
      const { cache } = client
      client.settle()
      // What was refused is told again only once it is new.
      for (const each of [...cache.names()]) {
        cache.set(resource(type, each, 'final'))
        client.changed()
      }
      client.settle()
      assertDelivered(client, cache, !isSotw || type.fullStateInSotw)
      for (const each of client.expected().keys()) {
        assert.ok(client.ackedRevision(each) >= cache.revisionOf(each), `${each} is not ACKed`)
      }
      assert.equal(client.ackedRevision(WILDCARD), Number.POSITIVE_INFINITY, 'all is ACKed')
    }),
    { numRuns: 10_000 },
  )
}

for (const type of [ENDPOINT, CLUSTER]) {
  test(`F19: state of the world, ${type.typeUrl}`, () =>
    holds(type, cache => new SotwModel(cache).start(), true))
  test(`F19: incremental, ${type.typeUrl}`, () => holds(type, cache => new DeltaModel(cache).start(), false))
}
