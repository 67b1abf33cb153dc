import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResourceStore } from '../../../eds-server/src/resources/resource-store.ts'
import type { Resource } from '../../../eds-server/src/xds/resource.ts'
import { CLUSTER, ROUTE } from '../../../eds-server/src/xds/resource-type.ts'
import type { Snapshot } from '../../../eds-server/src/xds/snapshot.ts'
import { clusterNamed, listenerWith, placed, refused, routesTo } from './documents.ts'

const nothing = (): void => undefined

class Listening {
  readonly store: ResourceStore = new ResourceStore()
  readonly heard: string[] = []
  readonly snapshots: Map<string, Snapshot | undefined> = new Map<string, Snapshot | undefined>()

  constructor(isOpen = true) {
    this.store.on((group, snapshot) => {
      this.heard.push(group)
      this.snapshots.set(group, snapshot)
    })
    if (isOpen) this.store.open()
    this.heard.length = 0
  }

  names(group = '', typeUrl: string = CLUSTER.typeUrl): string[] {
    return [...(this.snapshots.get(group)?.resources.get(typeUrl)?.keys() ?? [])]
  }

  cluster(name: string, group = ''): Resource | undefined {
    return this.snapshots.get(group)?.resources.get(CLUSTER.typeUrl)?.get(name)
  }
}

const fast = { connect_timeout: '1s' }
const slow = { connect_timeout: '9s' }

test('without any resource there is one empty snapshot once it is open, and none before', () => {
  const { store, snapshots } = new Listening(false)
  assert.equal(snapshots.size, 0)
  store.open()
  assert.deepEqual([...snapshots.keys()], [''])
  assert.equal(snapshots.get('')?.resources.size, 0)
})

test('whoever listens later hears what there is', () => {
  const { store } = new Listening()
  store.replace('files', [placed(clusterNamed('a'))])
  const heard: string[] = []
  store.on((group, snapshot) => heard.push(`${group}:${snapshot?.resources.size}`))
  assert.deepEqual(heard, [':1'])
})

test('the API hides files, files hide policy, and what was hidden comes back', () => {
  const world = new Listening()
  const version = () => world.cluster('a')?.version
  const [policy, files, api] = [{}, fast, slow].map(fields => placed(clusterNamed('a', fields)))
  assert.ok(policy && files && api)
  world.store.replace('policy', [policy])
  assert.equal(version(), policy.resource.resource.version)
  world.store.replace('files', [files])
  assert.equal(version(), files.resource.resource.version)
  assert.equal(world.store.put(api, nothing), 'created')
  assert.equal(version(), api.resource.resource.version)
  assert.equal(world.store.put(api, nothing), 'replaced')
  world.store.delete(api, nothing)
  assert.equal(version(), files.resource.resource.version)
  world.store.replace('files', [])
  assert.equal(version(), policy.resource.resource.version)
})

test('a group has the common resources and its own, of which one hides the common one', () => {
  const world = new Listening()
  const own = placed(clusterNamed('a', slow), { group: 'g' })
  world.store.replace('files', [placed(clusterNamed('a', fast)), placed(clusterNamed('b')), own])
  assert.deepEqual(world.names('g').sort(), ['a', 'b'])
  assert.equal(world.cluster('a', 'g')?.version, own.resource.resource.version)
  assert.notEqual(world.cluster('a')?.version, own.resource.resource.version)
  world.heard.length = 0
  world.store.replace('files', [placed(clusterNamed('a', fast)), placed(clusterNamed('b', fast)), own])
  assert.deepEqual(world.heard.sort(), ['', 'g'])
  world.store.replace('files', [placed(clusterNamed('a', fast))])
  assert.equal(world.snapshots.get('g'), undefined)
})

test('hostile names of groups and resources are map keys and nothing else (F57)', () => {
  const world = new Listening()
  for (const name of ['__proto__', 'constructor', '../../etc/passwd', '","', '\u0000', '🙂']) {
    world.store.put(placed(clusterNamed(name), { group: name }), nothing)
    assert.deepEqual(world.names(name), [name])
  }
  assert.equal(world.snapshots.get('')?.resources.size, 0)
})

test('only what changed is heard of, and what did not change is the same object', () => {
  const world = new Listening()
  const both = () => [placed(clusterNamed('a', fast)), placed(clusterNamed('b')), placed(routesTo('r', 'a'))]
  world.store.replace('files', both())
  const [a, b, routes] = [
    world.cluster('a'),
    world.cluster('b'),
    world.snapshots.get('')?.resources.get(ROUTE.typeUrl),
  ]
  world.heard.length = 0
  world.store.replace('files', both())
  assert.deepEqual(world.heard, [])
  world.store.replace('files', [placed(clusterNamed('a', slow)), ...both().slice(1)])
  assert.deepEqual(world.heard, [''])
  assert.notEqual(world.cluster('a'), a)
  assert.equal(world.cluster('b'), b)
  assert.equal(world.snapshots.get('')?.resources.get(ROUTE.typeUrl), routes)
})

test('a change that leaves references without a target is refused as a whole, each of them named', () => {
  const world = new Listening()
  world.store.replace('files', [placed(clusterNamed('a')), placed(routesTo('routes', 'a'))])
  world.heard.length = 0
  const persisted: string[] = []
  refused(
    () =>
      world.store.replace('files', [
        placed(routesTo('routes', 'gone'), { source: 'r.yaml' }),
        placed(listenerWith({ rds: { route_config_name: 'lost', config_source: { ads: {} } } })),
      ]),
    'ROLLCALL_REFERENCE_DANGLING',
    'r.yaml: routes "routes": /virtual_hosts/0/routes/0/route/cluster: "gone" is no Cluster that is there',
    '/filter_chains/0/filters/0/typed_config/rds/route_config_name: "lost" is no RouteConfiguration',
  )
  refused(
    () => world.store.put(placed(routesTo('x', 'gone')), () => persisted.push('x')),
    'ROLLCALL_REFERENCE_DANGLING',
    '"gone"',
  )
  assert.deepEqual([world.heard, persisted, world.names()], [[], [], ['a']])
})

test('a group may refer to what is common, and the common resources not to those of a group', () => {
  const { store } = new Listening()
  store.put(placed(clusterNamed('a')), nothing)
  store.put(placed(routesTo('r', 'a'), { group: 'g' }), nothing)
  store.put(placed(clusterNamed('own'), { group: 'g' }), nothing)
  store.put(placed(routesTo('own', 'own'), { group: 'g' }), nothing)
  refused(() => store.put(placed(routesTo('r', 'own')), nothing), 'ROLLCALL_REFERENCE_DANGLING', '"own"')
})

test('what others refer to cannot be deleted; the users are named', () => {
  const world = new Listening()
  const cluster = placed(clusterNamed('a'))
  world.store.put(cluster, nothing)
  world.store.put(placed(routesTo('r', 'a'), { group: 'g' }), nothing)
  const persisted: string[] = []
  refused(
    () => world.store.delete(cluster, () => persisted.push('a')),
    'ROLLCALL_RESOURCE_IN_USE',
    'clusters "a" is used by routes "r" of group "g" at /virtual_hosts/0/routes/0/route/cluster',
  )
  assert.deepEqual([persisted, world.names()], [[], ['a']])
})

test('what cannot be persisted changes nothing (F26)', () => {
  const world = new Listening()
  const fail = (): never => {
    throw new Error('the disk is full')
  }
  assert.throws(() => world.store.put(placed(clusterNamed('a')), fail), /disk is full/)
  assert.deepEqual([world.heard, world.names()], [[], []])
})

test('API resources of an earlier life wait for what they refer to; what is put now is judged now', () => {
  const world = new Listening(false)
  world.store.replace('api', [
    placed(routesTo('r', 'a')),
    placed(listenerWith({ rds: { route_config_name: 'r', config_source: { ads: {} } } })),
  ])
  world.store.open()
  assert.deepEqual(world.names('', ROUTE.typeUrl), [])
  assert.equal(world.store.held().length, 2)
  refused(() => world.store.put(placed(routesTo('r', 'a')), nothing), 'ROLLCALL_REFERENCE_DANGLING', '"a"')
  world.store.replace('files', [placed(clusterNamed('a'))])
  assert.deepEqual(world.names('', ROUTE.typeUrl), ['r'])
  assert.deepEqual(world.store.held(), [])
  refused(() => world.store.replace('files', []), 'ROLLCALL_REFERENCE_DANGLING', '"a"')
})

test('more than 10,000 resources of one origin are refused', () => {
  const world = new Listening()
  const one = placed(clusterNamed('a')).resource
  const many = Array.from({ length: 10_001 }, (_, i) => ({
    group: '',
    source: 'many.yaml',
    resource: { ...one, name: `c${i}` },
  }))
  refused(() => world.store.replace('files', many), 'ROLLCALL_LIMIT_REACHED', '10001', '10000')
  world.store.replace('files', many.slice(1))
  assert.equal(world.names().length, 10_000)
})
