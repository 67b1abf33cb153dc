/** A real directory, with everything that editors, mounts and mishaps do to it. */
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { ResourceDirectory } from '../../../eds-server/src/resources/directory.ts'
import { ResourceStore } from '../../../eds-server/src/resources/resource-store.ts'
import { CLUSTER, ROUTE } from '../../../eds-server/src/xds/resource-type.ts'
import type { Snapshot } from '../../../eds-server/src/xds/snapshot.ts'
import { until } from '../../../scripts/processes/until.ts'
import { admission, clusterNamed, placed, refused, routesTo } from './documents.ts'

interface Logged {
  readonly level: string
  readonly message: string
}

class Files implements AsyncDisposable {
  readonly path: string = join(mkdtempSync(join(tmpdir(), 'rollcall-resources-')), 'docs')
  readonly store: ResourceStore = new ResourceStore()
  readonly logged: Logged[] = []
  readonly snapshots: Snapshot[] = []
  refusals = 0
  readonly directory: ResourceDirectory

  constructor() {
    mkdirSync(this.path)
    const log = (level: string) => (_: object, message: string) => void this.logged.push({ level, message })
    this.store.on((group, snapshot) => {
      if (group === '' && snapshot) this.snapshots.push(snapshot)
    })
    this.directory = new ResourceDirectory({
      path: this.path,
      store: this.store,
      admission,
      clock: systemClock,
      log: { error: log('error'), info: log('info'), debug: log('debug') },
      refused: () => {
        this.refusals += 1
      },
    })
  }

  async open(): Promise<void> {
    await this.directory.open()
    this.store.open()
  }

  write(name: string, ...documents: readonly unknown[]): void {
    writeFileSync(join(this.path, name), documents.map(each => JSON.stringify(each)).join('\n---\n'))
  }

  names(typeUrl: string = CLUSTER.typeUrl, group = ''): string[] {
    return [...(this.store.effective().get(group)?.get(typeUrl)?.keys() ?? [])].sort()
  }

  version(name: string): string | undefined {
    return this.store.find('', CLUSTER.typeUrl, name)?.resource.resource.version
  }

  errors(): string[] {
    return this.directory.errors().map(({ message }) => message)
  }

  async error(part: string): Promise<void> {
    await until(`an error with ${part}`, () => this.errors().some(message => message.includes(part)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory.close()
    rmSync(join(this.path, '..'), { recursive: true })
  }
}

const fast = { connect_timeout: '1s' }
const slow = { connect_timeout: '9s' }

test('files are loaded, changed, added and removed; other files are passed over', async () => {
  await using files = new Files()
  files.write('a.yaml', clusterNamed('a'))
  files.write('b.json', clusterNamed('b'))
  for (const name of ['.hidden.yaml', 'a.yaml~', '.a.yaml.swp', 'notes.txt', 'a.yaml.bak'])
    files.write(name, 'x')
  mkdirSync(join(files.path, 'folder.yaml'))
  await files.open()
  assert.deepEqual(files.names(), ['a', 'b'])
  const before = files.version('a')
  files.write('a.yaml', clusterNamed('a', slow), clusterNamed('a2'))
  files.write('c.yml', clusterNamed('c'))
  unlinkSync(join(files.path, 'b.json'))
  await until('the change', () => files.names().join() === 'a,a2,c')
  assert.notEqual(files.version('a'), before)
  assert.equal(files.snapshots.length, 2, 'one snapshot at the start, one for all changes together')
  assert.deepEqual(files.errors(), [])
})

test('one bad file keeps what it had, the others go on; it is said once, and when it is right again', async () => {
  await using files = new Files()
  files.write('a.yaml', clusterNamed('a'))
  files.write('bad.yaml', clusterNamed('b', { lb_polic: 1 }))
  await files.open()
  assert.deepEqual(files.names(), ['a'])
  assert.match(files.errors().join(), /^bad\.yaml: \/lb_polic: is not a field/)
  files.write('bad.yaml', clusterNamed('b', fast))
  await until('b', () => files.names().join() === 'a,b')
  const good = files.version('b')
  files.write('bad.yaml', clusterNamed('b', { connect_timeout: 'soon' }))
  files.write('a.yaml', clusterNamed('a'), clusterNamed('c'))
  await files.error('bad.yaml: /connect_timeout: "soon"')
  await until('c', () => files.names().join() === 'a,b,c')
  assert.equal(files.version('b'), good)
  const [error] = files.directory.errors()
  assert.deepEqual([error?.file, error?.path], ['bad.yaml', '/connect_timeout'])
  files.write('a.yaml', clusterNamed('a'))
  await until('c is gone', () => files.names().join() === 'a,b')
  assert.equal(files.directory.errors()[0]?.since, error?.since)
  assert.equal(files.refusals, 2)
  files.write('bad.yaml', clusterNamed('b', slow))
  await until('it is right again', () => files.errors().length === 0)
  assert.ok(files.logged.some(({ message }) => message.includes('right again')))
})

test('a name in two files: both are named, the first stays', async () => {
  await using files = new Files()
  files.write('m.yaml', clusterNamed('a', fast))
  await files.open()
  const first = files.version('a')
  files.write('b.yaml', clusterNamed('a', slow), clusterNamed('b'))
  await files.error('b.yaml: clusters "a" is in m.yaml already')
  await until('b', () => files.names().join() === 'a,b')
  assert.equal(files.version('a'), first)
  unlinkSync(join(files.path, 'm.yaml'))
  await until('the other counts', () => files.version('a') !== first && files.errors().length === 0)
})

test('groups are folders; what is in one hides what is common', async () => {
  await using files = new Files()
  files.write('a.yaml', clusterNamed('a', fast))
  mkdirSync(join(files.path, 'groups', 'edge'), { recursive: true })
  files.write('groups/edge/a.yaml', clusterNamed('a', slow))
  await files.open()
  const versionIn = (group: string) =>
    files.store.find(group, CLUSTER.typeUrl, 'a')?.resource.resource.version
  assert.notEqual(versionIn('edge'), versionIn(''))
  assert.equal(versionIn('other'), versionIn(''))
  mkdirSync(join(files.path, 'groups', 'other'))
  files.write('groups/other/b.yaml', clusterNamed('b'))
  await until('the new group', () => files.names(CLUSTER.typeUrl, 'other').join() === 'b')
  rmSync(join(files.path, 'groups', 'edge'), { recursive: true })
  await until('the group is gone', () => versionIn('edge') === versionIn(''))
})

test('a dangling reference: the file that refers is wrong, or the one that takes away', async () => {
  await using files = new Files()
  files.write('clusters.yaml', clusterNamed('a'), clusterNamed('b'))
  files.write('routes.yaml', routesTo('r', 'a'))
  await files.open()
  files.write('routes.yaml', routesTo('r', 'nowhere'))
  files.write('more.yaml', clusterNamed('more'))
  await files.error('routes.yaml: routes "r": /virtual_hosts/0/routes/0/route/cluster: "nowhere"')
  await until('the others go on', () => files.names().join() === 'a,b,more')
  files.write('routes.yaml', routesTo('r', 'a'))
  await until('it is right again', () => files.errors().length === 0)
  files.write('clusters.yaml', clusterNamed('b'))
  await files.error('clusters.yaml: would leave without a target: routes.yaml: routes "r"')
  assert.deepEqual(files.names(), ['a', 'b', 'more'])
  unlinkSync(join(files.path, 'clusters.yaml'))
  await delay(300)
  assert.deepEqual(files.names(), ['a', 'b', 'more'])
  unlinkSync(join(files.path, 'routes.yaml'))
  await until('both are gone', () => files.names().join() === 'more')
  assert.deepEqual(files.names(ROUTE.typeUrl), [])
  await until('no error is left', () => files.errors().length === 0)
})

test('what a file refers to may come from elsewhere later', async () => {
  await using files = new Files()
  files.write('routes.yaml', routesTo('r', 'a'))
  await files.open()
  assert.match(files.errors().join(), /"a" is no Cluster/)
  files.store.put(placed(clusterNamed('a')), () => undefined)
  await until('it counts', () => files.names(ROUTE.typeUrl).join() === 'r')
  assert.deepEqual(files.errors(), [])
})

test('a mounted ConfigMap that is swapped: all files of it change in one snapshot', async () => {
  await using files = new Files()
  const version = (name: string, fields: Record<string, string>): void => {
    const folder = join(files.path, name)
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.yaml'), JSON.stringify(clusterNamed('a', fields)))
    writeFileSync(join(folder, 'b.yaml'), JSON.stringify(clusterNamed('b', fields)))
  }
  version('..one', fast)
  symlinkSync('..one', join(files.path, '..data'))
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', name), join(files.path, name))
  await files.open()
  const before = files.version('a')
  version('..two', slow)
  symlinkSync('..two', join(files.path, '..data_tmp'))
  renameSync(join(files.path, '..data_tmp'), join(files.path, '..data'))
  rmSync(join(files.path, '..one'), { recursive: true })
  await until('the new version', () => files.version('a') !== before)
  assert.equal(files.version('b'), admission.json(clusterNamed('b', slow), '').resource.version)
  assert.equal(files.snapshots.length, 2)
  assert.deepEqual(files.errors(), [])
})

test('a file that was replaced half-way keeps what it had; the rest of it repairs it', async () => {
  await using files = new Files()
  const whole = [clusterNamed('a', fast), clusterNamed('b', fast)]
    .map(each => JSON.stringify(each))
    .join('\n---\n')
  writeFileSync(join(files.path, 'a.yaml'), whole)
  await files.open()
  truncateSync(join(files.path, 'a.yaml'), whole.length - 10)
  await files.error('a.yaml')
  assert.deepEqual(files.names(), ['a', 'b'])
  truncateSync(join(files.path, 'a.yaml'), 0)
  await files.error('a.yaml: holds no document')
  assert.deepEqual(files.names(), ['a', 'b'])
  writeFileSync(join(files.path, 'a.yaml'), whole.replaceAll('1s', '2s'))
  await until('it is right again', () => files.errors().length === 0)
  assert.deepEqual(files.names(), ['a', 'b'])
})

test('a writer that never rests holds up neither the other files nor makes half of its own count', async () => {
  await using files = new Files()
  const written = (round: number, count = 50): string =>
    Array.from({ length: count }, (_, i) =>
      JSON.stringify(clusterNamed(`w${i}`, { connect_timeout: `${round}s` })),
    ).join('\n---\n')
  writeFileSync(join(files.path, 'busy.yaml'), written(1))
  files.write('calm.yaml', clusterNamed('calm'))
  await files.open()
  let isOver = false
  let rounds = 1
  const writer = async (): Promise<void> => {
    for (let round = 2; !isOver; round++) {
      rounds = round
      // Half of it, and right as far as it goes.
      writeFileSync(join(files.path, 'busy.yaml'), written(round, 1 + (round % 40)))
      await delay(7)
      writeFileSync(join(files.path, 'busy.yaml'), written(round))
      await delay(7)
    }
  }
  const writing = writer()
  files.write('calm.yaml', clusterNamed('calm', slow), clusterNamed('calmer'))
  await until('the calm file counts', () => files.names().includes('calmer'))
  await until('the writer met many looks', () => rounds > 150)
  isOver = true
  await writing
  const last = files.snapshots.length
  await until('the busy file counts once it rests', () => files.snapshots.length > last)
  for (const snapshot of files.snapshots) {
    const names = [...(snapshot.resources.get(CLUSTER.typeUrl)?.keys() ?? [])]
    assert.equal(names.filter(name => name.startsWith('w')).length, 50)
  }
  assert.deepEqual(files.errors(), [])
})

test('a directory that is removed leaves everything as it is, says so, and counts again when it is back', async () => {
  await using files = new Files()
  files.write('a.yaml', clusterNamed('a'))
  await files.open()
  rmSync(files.path, { recursive: true })
  await files.error('.: cannot be read: ENOENT')
  assert.deepEqual(files.names(), ['a'])
  mkdirSync(files.path)
  files.write('b.yaml', clusterNamed('b'))
  await until('it counts again', () => files.names().join() === 'b')
  assert.deepEqual(files.errors(), [])
  // Watched again, and not only looked at now and then.
  files.write('c.yaml', clusterNamed('c'))
  await until('a change in it', () => files.names().join() === 'b,c', { withinMs: 3000 })
})

test('a directory that is not there at the start, files that are too large, and what is no file', async () => {
  await using files = new Files()
  files.write('large.yaml', clusterNamed('a', { alt_stat_name: 'x'.repeat(5 * 1024 * 1024) }))
  symlinkSync('nowhere.yaml', join(files.path, 'broken.yaml'))
  symlinkSync('/dev/zero', join(files.path, 'endless.yaml'))
  files.write('ok.yaml', clusterNamed('ok'))
  await files.open()
  assert.deepEqual(files.names(), ['ok'])
  assert.match(
    files.errors().join('; '),
    /broken\.yaml: cannot be read: ENOENT; large\.yaml: is \d+ bytes; the limit/,
  )
  const { store } = files
  const log = { error: () => undefined, info: () => undefined, debug: () => undefined }
  const missing = new ResourceDirectory({
    path: join(files.path, 'missing'),
    ...{ store, admission, log, clock: systemClock, refused: () => undefined },
  })
  const error = await missing.open().catch((thrown: unknown) => thrown)
  refused(() => assert.fail(error as Error), 'ROLLCALL_OPTION_INVALID', '--resources', 'missing', 'ENOENT')
  await missing.close()
})
