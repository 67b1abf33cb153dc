/** Why a life ended is known for a bounded number of lives, also after a restart. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import type { RollcallError } from '../../../eds-server/src/errors.ts'
import type { Instance } from '../../../eds-server/src/registry/instance.ts'
import { openFile } from '../../../eds-server/src/registry/lmdb-file.ts'
import { openStore } from '../../../eds-server/src/registry/open-store.ts'
import { writeGeneration } from '../../../eds-server/src/registry/previous-generation.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { EMPTY_STATE } from '../../../eds-server/src/registry/store.ts'
import { type EndedBy, type Tombstone, Tombstones } from '../../../eds-server/src/registry/tombstones.ts'
import { record, SECRET } from '../../world/records.ts'

const silent = { error: () => undefined, warn: () => undefined, info: () => undefined }

function life(instanceId: string, incarnation: number): Instance {
  return {
    ...record({ instanceId }),
    incarnation,
    lapsed: false,
    stalled: false,
    ttlMs: 1000,
    registeredAtMs: 0,
  }
}

function codeOf(stones: Tombstones, instanceId: string, incarnation: number): string {
  return stones.absent('myservice', instanceId, incarnation).code
}

/** Runs `body` with a directory that is gone afterwards, in a process that stays alive meanwhile. */
async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-stones-'))
  const alive = setTimeout(() => undefined, 120_000)
  try {
    await body(directory)
  } finally {
    clearTimeout(alive)
    rmSync(directory, { recursive: true })
  }
}

async function open(directory: string): Promise<Registry> {
  return new Registry({ clock: systemClock, store: await openStore(directory, systemClock, silent) })
}

/** Registers two, ends the first by `end` and leaves the second; returns the life that ended. */
async function ended(
  directory: string,
  end: (registry: Registry, life: Instance) => void,
): Promise<Instance> {
  const registry = await open(directory)
  const { instance } = registry.register(record(), { secret: SECRET })
  registry.register(record({ instanceId: 'other', port: 2 }), { secret: SECRET })
  await registry.persisted()
  end(registry, instance)
  // An answer to the caller waits for this, and for nothing else.
  await registry.persisted()
  registry.close()
  return instance
}

function lateBeat(registry: Registry, { incarnation, instanceId }: Instance): string | undefined {
  try {
    registry.heartbeat('myservice', instanceId, { incarnation, secret: SECRET })
  } catch (error) {
    return (error as RollcallError).code
  }
  return undefined
}

const deregister = (registry: Registry, { incarnation }: Instance): void =>
  void registry.deregister('myservice', 'one', { incarnation, secret: SECRET })
const removeAt = (registry: Registry): void => void registry.removeAt('myservice', '127.0.0.1', 8081)
const supersede = (registry: Registry): void =>
  void registry.register(record({ instanceId: 'newer' }), { secret: SECRET })

for (const [what, end, code] of [
  ['deregistered by its holder', deregister, 'ROLLCALL_INSTANCE_DEREGISTERED'],
  ['removed by an operator', removeAt, 'ROLLCALL_INSTANCE_DEREGISTERED'],
  ['superseded at its address', supersede, 'ROLLCALL_INCARNATION_SUPERSEDED'],
] as const) {
  test(`F40: a life that was ${what} is told so after two restarts`, () =>
    inDirectory(async directory => {
      const dead = await ended(directory, end)
      for (let restart = 0; restart < 2; restart++) {
        const registry = await open(directory)
        assert.equal(lateBeat(registry, dead), code)
        registry.close()
      }
    }))
}

test('F27: the reasons are in the previous generation too', () =>
  inDirectory(async directory => {
    const dead = await ended(directory, deregister)
    // A start makes what it loads the previous generation.
    ;(await open(directory)).close()
    truncateSync(join(directory, 'registrations.mdb'), 0)
    for (let restart = 0; restart < 2; restart++) {
      const registry = await open(directory)
      assert.equal(lateBeat(registry, dead), 'ROLLCALL_INSTANCE_DEREGISTERED')
      registry.close()
    }
  }))

test('what an earlier version wrote, without reasons, is read as it was', () =>
  inDirectory(async directory => {
    const dead = await ended(directory, deregister)
    const file = openFile(directory)
    file.tombstones.dropSync()
    await file.root.close()
    const registry = await open(directory)
    assert.deepEqual(
      registry.instances('myservice')?.map(({ instanceId }) => instanceId),
      ['other'],
    )
    assert.equal(lateBeat(registry, dead), 'ROLLCALL_LEASE_EXPIRED')
    registry.close()

    writeGeneration(directory, { ...EMPTY_STATE, services: ['myservice'], lastIncarnation: dead.incarnation })
    const previous = join(directory, 'registrations.previous')
    const { tombstones, ...earlier } = JSON.parse(readFileSync(previous, 'utf8').split('\n')[1] ?? '')
    assert.deepEqual(tombstones, [])
    const text = JSON.stringify(earlier)
    writeFileSync(previous, `${createHash('sha256').update(text).digest('hex')}\n${text}\n`)
    truncateSync(join(directory, 'registrations.mdb'), 0)
    const recovered = await open(directory)
    assert.deepEqual(recovered.instances('myservice'), [])
    recovered.close()
  }))

test('the oldest reasons are dropped first, and which those are survives a restart', () => {
  const first = new Tombstones(0, [], 3)
  const stones = new Map<string, Tombstone>()
  const bury = (to: Tombstones, instanceId: string, incarnation: number, endedBy: EndedBy): void => {
    const { stone, dropped } = to.bury(life(instanceId, incarnation), endedBy)
    stones.set(instanceId, stone)
    if (dropped) stones.delete(dropped.instanceId)
  }
  for (let i = 0; i < 9; i++) first.nextIncarnation()
  // The eldest life is the last to be buried.
  for (const [id, incarnation] of Object.entries({ c: 3, b: 2, a: 1 }))
    bury(first, id, incarnation, 'deregistered')
  const second = new Tombstones(9, [...stones.values()].reverse(), 3)
  bury(second, 'd', 4, 'superseded')
  const codes = ['a', 'b', 'c', 'd'].map((id, i) => codeOf(second, id, i + 1))
  const [deregistered, expired] = ['ROLLCALL_INSTANCE_DEREGISTERED', 'ROLLCALL_LEASE_EXPIRED']
  assert.deepEqual(codes, [deregistered, deregistered, expired, 'ROLLCALL_INCARNATION_SUPERSEDED'])
  assert.deepEqual([...stones.keys()].sort(), ['a', 'b', 'd'])
  assert.equal(codeOf(second, 'a', 10), 'ROLLCALL_INSTANCE_UNKNOWN')
})

test('a stone says nothing of a later life of that name, and everything of an earlier one', () => {
  const stones = new Tombstones(9)
  stones.bury(life('one', 5), 'deregistered')
  const codes = [4, 5, 6].map(incarnation => codeOf(stones, 'one', incarnation))
  assert.deepEqual(codes, [
    'ROLLCALL_INCARNATION_SUPERSEDED',
    'ROLLCALL_INSTANCE_DEREGISTERED',
    'ROLLCALL_LEASE_EXPIRED',
  ])
})
