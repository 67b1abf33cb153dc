/**
 * The previous generation: a plain file beside the database, written as a whole and never in place, for the day
 * on which the database is damaged (F27).
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { StoredState } from './store.ts'
import {
  Damaged,
  decodeInstance,
  decodeTombstone,
  encodeInstance,
  encodeTombstone,
  FORMAT,
} from './stored-form.ts'

const NAME = 'registrations.previous'

interface Content {
  readonly format: number
  readonly lastIncarnation: number
  readonly services: readonly string[]
  /** Each as in the database, base64. */
  readonly instances: readonly string[]
  /** As those. Missing in what earlier versions wrote. */
  readonly tombstones?: readonly string[]
}

/** tmp, fsync, rename, fsync of the directory: at every moment one whole file is there. */
export function writeGeneration(directory: string, state: Omit<StoredState, 'isComplete'>): void {
  const content: Content = {
    format: FORMAT,
    lastIncarnation: state.lastIncarnation,
    services: state.services,
    instances: state.instances.map(stored => encodeInstance(stored).toString('base64')),
    tombstones: state.tombstones.map(stone => encodeTombstone(stone).toString('base64')),
  }
  const text = JSON.stringify(content)
  const path = join(directory, NAME)
  synced(`${path}.tmp`, 'w', file => writeSync(file, `${digest(text)}\n${text}\n`))
  renameSync(`${path}.tmp`, path)
  synced(directory, 'r', () => undefined)
}

/** Undefined when there is none; throws Damaged when it is not whole. */
export function readGeneration(directory: string): Omit<StoredState, 'isComplete'> | undefined {
  const path = join(directory, NAME)
  if (!existsSync(path)) return undefined
  const [sum, text = ''] = readFileSync(path, 'utf8').split('\n')
  if (sum !== digest(text)) throw new Damaged(`${NAME} is not whole`)
  const { lastIncarnation, services, instances, tombstones = [], format } = JSON.parse(text) as Content
  if (format > FORMAT) throw new Damaged(`${NAME} has format ${format}`)
  return {
    lastIncarnation,
    services,
    instances: instances.map(each => decodeInstance(Buffer.from(each, 'base64'))),
    tombstones: tombstones.map(each => decodeTombstone(Buffer.from(each, 'base64'))),
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function synced(path: string, flags: string, write: (file: number) => unknown): void {
  const file = openSync(path, flags, 0o600)
  try {
    write(file)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
