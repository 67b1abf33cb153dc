import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import type { StoreLog } from '../../../eds-server/src/registry/durable-store.ts'
import { openFile } from '../../../eds-server/src/registry/lmdb-file.ts'
import { openStore } from '../../../eds-server/src/registry/open-store.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { record, SECRET } from '../../world/records.ts'

const root = mkdtempSync(join(tmpdir(), 'rollcall-store-'))
// Nothing of the store keeps a process alive: this does, as the listening server would.
const alive = setTimeout(() => undefined, 120_000)
after(() => {
  clearTimeout(alive)
  rmSync(root, { recursive: true })
})
let directories = 0

function newDirectory(): string {
  directories += 1
  return join(root, String(directories))
}

const logged: string[] = []
const note = (_details: object, message: string): void => void logged.push(message)
const log: StoreLog = { error: note, warn: note, info: note }

async function open(directory: string): Promise<Registry> {
  return new Registry({ clock: systemClock, store: await openStore(directory, systemClock, log) })
}

/** The registry of a directory with these instances, closed. */
async function filled(ids: readonly string[]): Promise<string> {
  const directory = newDirectory()
  const registry = await open(directory)
  for (const [i, instanceId] of ids.entries()) {
    registry.register(record({ instanceId, port: 1 + i, metadata: { version: '1' } }), { secret: SECRET })
  }
  await registry.persisted()
  registry.close()
  return directory
}

function unavailable(...parts: string[]): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof RollcallError && error.code === 'ROLLCALL_STORE_UNAVAILABLE', String(error))
    assert.doesNotMatch(error.message, /\n/)
    for (const part of parts) assert.ok(error.message.includes(part), error.message)
    return true
  }
}

test('what was persisted is there again: the instance, its lease and its incarnation', async () => {
  const directory = newDirectory()
  const first = await open(directory)
  const said = record({
    canary: true,
    metadata: Object.assign(Object.create(null), { a: 1, b: 'ü' }),
    locality: { region: 'r', zone: 'z', subZone: '' },
  })
  const { instance } = first.register(said, { secret: SECRET })
  first.register(record({ instanceId: 'seed', port: 9 }), undefined)
  assert.ok(first.persisted() !== undefined, 'not on disk yet')
  await first.persisted()
  assert.equal(first.persisted(), undefined, 'nothing to wait for')
  first.heartbeat('myservice', 'one', { incarnation: instance.incarnation, secret: SECRET })
  assert.equal(first.persisted(), undefined, 'heartbeats are not written')
  first.declare('empty')
  first.declare('forgotten')
  assert.ok(first.persisted() !== undefined, 'a service is on disk too')
  await first.persisted()
  first.forget('forgotten')
  await first.persisted()
  first.close()

  const second = await open(directory)
  assert.deepEqual(second.get('myservice', 'one'), instance)
  assert.equal(second.get('myservice', 'seed')?.ttlMs, undefined)
  assert.deepEqual(second.instances('empty'), [])
  assert.equal(second.instances('forgotten'), undefined)
  const key = { incarnation: instance.incarnation, secret: SECRET }
  assert.equal(second.heartbeat('myservice', 'one', key).incarnation, instance.incarnation)
  second.close()
})

test('F40: a life that ended before a restart stays ended, and numbers rise although the wall clock went back', async () => {
  const directory = newDirectory()
  const past = { ...systemClock, wallTime: () => new Date(0) }
  const first = await open(directory)
  const { instance } = first.register(record(), { secret: SECRET })
  const key = { incarnation: instance.incarnation, secret: SECRET }
  await first.persisted()
  first.deregister('myservice', 'one', key)
  await first.persisted()
  first.close()
  const second = new Registry({ clock: past, store: await openStore(directory, past, log) })
  for (const late of [
    () => second.heartbeat('myservice', 'one', key),
    () => second.deregister('myservice', 'one', key),
  ]) {
    assert.throws(late, (error: unknown) => error instanceof RollcallError && error.httpStatus === 410)
  }
  assert.deepEqual(second.instances('myservice'), [], 'known, and empty (X-40)')
  assert.ok(second.register(record(), { secret: SECRET }).instance.incarnation > instance.incarnation)
  second.close()
})

test('one directory, one server: the second is refused in one line, and has it when the first is gone', async () => {
  const directory = newDirectory()
  const first = await open(directory)
  await assert.rejects(open(directory), unavailable(directory, 'another server'))
  first.close()
  const second = await open(directory)
  second.close()
})

test('a directory that cannot be used is refused in one line', async () => {
  const file = newDirectory()
  writeFileSync(file, 'text')
  await assert.rejects(open(file), unavailable(file))
  await assert.rejects(open(join(file, 'below')), unavailable(file))
})

const DAMAGE: Record<string, (path: string) => void> = {
  'a file of random bytes': path => writeFileSync(path, Buffer.alloc(40_960, 0xa5)),
  'an empty file': path => truncateSync(path, 0),
  'a file cut in the middle': path => truncateSync(path, 12_288),
  'a changed byte in a record': path => {
    const bytes = readFileSync(path)
    for (let at = bytes.indexOf('version'); at !== -1; at = bytes.indexOf('version', at + 1)) bytes[at] = 0x56
    writeFileSync(path, bytes)
  },
  'pages of zeros': path => {
    const bytes = readFileSync(path)
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 8192), Buffer.alloc(bytes.length - 8192)]))
  },
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`F27: ${what} is set aside, not deleted, and the previous generation is used`, async () => {
    const directory = await filled(['one', 'two'])
    // A start makes what it loads the previous generation.
    ;(await open(directory)).close()
    const path = join(directory, 'registrations.mdb')
    damage(path)
    const damaged = readFileSync(path)
    logged.length = 0
    const registry = await open(directory)
    assert.equal(registry.instances('myservice')?.length, 2)
    assert.equal(registry.warmUp.isWarm, false)
    assert.match(logged.join('\n'), /damaged and were set aside/)
    const aside =
      readdirSync(directory).find(name => name.includes('.damaged-')) ?? assert.fail('not set aside')
    assert.deepEqual(readFileSync(join(directory, aside)), damaged)
    registry.close()
    const again = await open(directory)
    assert.equal(again.instances('myservice')?.length, 2, 'the recovered state is stored anew')
    again.close()
  })
}

test('F27: when the previous generation is damaged too, it starts with nothing and says so', async () => {
  const directory = await filled(['one'])
  truncateSync(join(directory, 'registrations.mdb'), 0)
  writeFileSync(join(directory, 'registrations.previous'), 'not\nthat\n')
  logged.length = 0
  const registry = await open(directory)
  assert.equal(registry.instanceCount, 0)
  assert.match(logged.join('\n'), /damaged too/)
  registry.close()
})

test('F27: a store of a newer version is refused and left alone', async () => {
  const directory = await filled(['one'])
  const file = openFile(directory)
  file.root.transactionSync(() => file.meta.putSync('format', Buffer.from('2')))
  await file.root.close()
  const before = readFileSync(join(directory, 'registrations.mdb'))
  await assert.rejects(open(directory), unavailable(directory, 'newer version', 'format 2'))
  assert.deepEqual(readFileSync(join(directory, 'registrations.mdb')), before)
})
