/**
 * The previous generation: a plain file beside the database, written as a whole and never in place, for the day
 * on which the database is damaged (F27).
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../durable-file.ts'
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

export function writeGeneration(directory: string, state: Omit<StoredState, 'isComplete'>): void {
  const content: Content = {
    format: FORMAT,
    lastIncarnation: state.lastIncarnation,
    services: state.services,
    instances: state.instances.map(stored => encodeInstance(stored).toString('base64')),
    tombstones: state.tombstones.map(stone => encodeTombstone(stone).toString('base64')),
  }
  const text = JSON.stringify(content)
  replaceFile(join(directory, NAME), `${digest(text)}\n${text}\n`)
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
