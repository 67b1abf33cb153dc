/**
 * The database file: opened only after a child process has walked through it, because a damaged page can end the
 * process that maps it (F27). Layout: `instances` and `tombstones`
 * by [service, id], `services`, `meta` (format, incarnation). Files of earlier versions have no tombstones.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import { unavailable } from './data-dir.ts'
import type { StoredState } from './store.ts'
import { Damaged, decodeInstance, decodeTombstone, FORMAT } from './stored-form.ts'

export type InstanceName = [service: string, instanceId: string]

export interface LmdbFile {
  readonly root: RootDatabase<Buffer, string>
  readonly instances: Database<Buffer, InstanceName>
  readonly tombstones: Database<Buffer, InstanceName>
  readonly services: Database<Buffer, string>
  readonly meta: Database<Buffer, string>
}

const NAME = 'registrations.mdb'
/** Two meta pages: a file that has less was cut. */
const BYTES_MIN = 8192
const CHECK_MS = 60_000
/** Left free for a transaction: the pages that lead to what it changes, and those that each change takes. */
const ROOM_BYTES = 1024 * 1024
const CHANGE_BYTES = 4096

export function filePath(directory: string): string {
  return join(directory, NAME)
}

/** Throws Damaged for a file that is there and cannot be read. */
export function checkFile(directory: string): void {
  const path = filePath(directory)
  if (!existsSync(path)) return
  if (statSync(path).size < BYTES_MIN) throw new Damaged('it is cut off')
  const walk = `import { open } from ${JSON.stringify(import.meta.resolve('lmdb'))}
const root = open({ path: ${JSON.stringify(path)}, noSubdir: true, readOnly: true, encoding: 'binary', maxDbs: 8 })
for (const name of ['instances', 'tombstones', 'services', 'meta']) {
  const database = root.openDB({ name, encoding: 'binary' })
  if (database) for (const { value } of database.getRange({})) value.length
}`
  const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', walk], {
    encoding: 'utf8',
    timeout: CHECK_MS,
    env: {},
  })
  if (status === 0) return
  const reason =
    stderr.split('\n').find(line => line.startsWith('Error')) ?? `reading it ends in ${signal ?? status}`
  throw new Damaged(reason)
}

/** Out of the way under another name; never deleted. Returns that name. */
export function setAside(directory: string, at: Date): string {
  const aside = `${filePath(directory)}.damaged-${at.toISOString().replaceAll(':', '')}`
  renameSync(filePath(directory), aside)
  return aside
}

/**
 * Throws where a transaction of so many changes could fill the disk (F26). LMDB itself is not to find out: lmdb 3.5.6
 * writes its report of a page that could not be written beyond the end of a buffer, which can end the process.
 */
export function assertRoom(directory: string, changes: number): void {
  const { bavail, bsize } = statfsSync(directory)
  const needed = ROOM_BYTES + changes * CHANGE_BYTES
  if (bavail * bsize >= needed) return
  throw new Error(`the disk has ${bavail * bsize} bytes left, and ${changes} changes may take ${needed}`)
}

export function openFile(directory: string): LmdbFile {
  const root = open<Buffer, string>({
    path: filePath(directory),
    noSubdir: true,
    encoding: 'binary',
    maxDbs: 8,
    // A commit that has returned is on disk, and not only on its way.
    overlappingSync: false,
  })
  const database = <Key extends string | InstanceName>(name: string): Database<Buffer, Key> =>
    root.openDB<Buffer, Key>({ name, encoding: 'binary' })
  return {
    root,
    instances: database('instances'),
    tombstones: database('tombstones'),
    services: database('services'),
    meta: database('meta'),
  }
}

/** What the file holds. A newer format is refused: an older server that wrote to it would destroy it (F27). */
export function readFile(file: LmdbFile, directory: string): StoredState {
  const format = numberIn(file.meta, 'format')
  if (format !== undefined && format > FORMAT) {
    const reason = `was written by a newer version (format ${format}, this version knows ${FORMAT}): use that version, or another directory`
    throw unavailable(directory, reason)
  }
  const instances = Array.from(file.instances.getRange({}), ({ value }) => decodeInstance(value))
  const tombstones = Array.from(file.tombstones.getRange({}), ({ value }) => decodeTombstone(value))
  const services = Array.from(file.services.getRange({}), ({ key }) => key)
  const lastIncarnation = numberIn(file.meta, 'incarnation') ?? 0
  return { lastIncarnation, instances, services, tombstones, isComplete: format !== undefined }
}

export function numberBytes(value: number): Buffer {
  return Buffer.from(String(value))
}

function numberIn(meta: Database<Buffer, string>, key: string): number | undefined {
  const value = meta.get(key)
  if (value === undefined) return undefined
  const number = Number(value.toString())
  if (!Number.isSafeInteger(number)) throw new Damaged(`${key} is no number`)
  return number
}
