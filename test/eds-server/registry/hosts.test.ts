import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { replaceHosts } from '../../../eds-server/src/registry/hosts.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'

function hosts(first: number, count: number): { address: string; port: number }[] {
  return Array.from({ length: count }, (_, index) => ({ address: '127.0.0.1', port: first + index }))
}

function portsOf(registry: Registry): number[] | undefined {
  return registry.instances('myservice')?.map(({ port }) => port)
}

test('a list that does not fit changes nothing; one that fits once others have left is taken (F50)', () => {
  const limits = { services: 1, instancesPerService: 4, instances: 4 }
  const registry = new Registry({ clock: systemClock, store: memoryStore, limits })
  replaceHosts(registry, 'myservice', hosts(1, 3))
  assert.throws(() => replaceHosts(registry, 'myservice', hosts(2, 5)), /limit/)
  assert.deepEqual(portsOf(registry), [1, 2, 3])
  replaceHosts(registry, 'myservice', hosts(10, 4))
  assert.deepEqual(portsOf(registry), [10, 11, 12, 13])
  assert.throws(() => replaceHosts(registry, 'other', []), /limit/)
  assert.throws(() => registry.declare('other'), /limit/)
  registry.close()
})

test('a service that is forgotten is as if never heard of, and makes room for another', () => {
  const limits = { services: 1, instancesPerService: 4, instances: 4 }
  const registry = new Registry({ clock: systemClock, store: memoryStore, limits })
  const events: string[] = []
  registry.on(({ type, instance }) => events.push(`${type} ${instance.port}`))
  replaceHosts(registry, 'myservice', hosts(1, 2))
  assert.equal(registry.forget('myservice'), true)
  assert.equal(registry.forget('myservice'), false)
  assert.equal(portsOf(registry), undefined)
  assert.deepEqual(events, ['registered 1', 'registered 2', 'deregistered 1', 'deregistered 2'])
  replaceHosts(registry, 'other', hosts(1, 4))
  registry.close()
})
