/**
 * API resources on disk: one file each. Readable by the owner alone: they may hold secrets.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeFile, replaceFile } from '../durable-file.ts'
import { RollcallError } from '../errors.ts'
import type { Admission } from './admission.ts'
import { documentOf } from './any-json.ts'
import { unreadable } from './document-error.ts'
import { isObject } from './json-tree.ts'
import { keyOfPlaced, type Placed } from './placed.ts'
import { ttlText, WRAPPER_TYPE_URL } from './wrapper.ts'

/** Where API resources outlive the process. */
export interface ApiStore {
  /** What is stored, and the files that no longer can be used, by name. */
  load(admission: Admission): { placed: Placed[]; errors: Map<string, RollcallError> }
  /** On disk once it returns. Throws ROLLCALL_STORE_UNAVAILABLE; then nothing has changed. */
  write(placed: Placed): void
  remove(placed: Placed): void
}

/** `--data-dir none`: nothing outlives the process. */
export const memoryApiStore: ApiStore = {
  load: () => ({ placed: [], errors: new Map() }),
  write() {
    // The resource store's own memory is all there is.
  },
  remove() {
    // As above.
  },
}

export const API_SOURCE = 'API'

export class ApiFiles implements ApiStore {
  readonly #folder: string

  /** Throws ROLLCALL_STORE_UNAVAILABLE when the folder cannot be made. */
  constructor(folder: string) {
    this.#folder = folder
    storing(() => mkdirSync(folder, { recursive: true, mode: 0o700 }))
  }

  load(admission: Admission): { placed: Placed[]; errors: Map<string, RollcallError> } {
    const placed: Placed[] = []
    const errors = new Map<string, RollcallError>()
    for (const file of readdirSync(this.#folder).sort()) {
      if (!file.endsWith('.json')) continue
      try {
        placed.push(this.#read(file, admission))
      } catch (error) {
        errors.set(file, error instanceof RollcallError ? error : unreadable(file, error))
      }
    }
    return { placed, errors }
  }

  write(placed: Placed): void {
    const { group, resource } = placed
    const { ttlMs } = resource.resource
    const document = {
      '@type': WRAPPER_TYPE_URL,
      name: resource.name,
      ...(ttlMs !== undefined && { ttl: ttlText(ttlMs) }),
      resource: documentOf(resource.resource),
    }
    storing(() => replaceFile(this.#pathOf(placed), `${JSON.stringify({ group, document })}\n`))
  }

  remove(placed: Placed): void {
    storing(() => removeFile(this.#pathOf(placed)))
  }

  #read(file: string, admission: Admission): Placed {
    const content: unknown = JSON.parse(readFileSync(join(this.#folder, file), 'utf8'))
    const { group, document } = isObject(content) ? content : {}
    const resource = admission.json(document, file)
    return { group: typeof group === 'string' ? group : '', resource, source: API_SOURCE }
  }

  /** Names may be any text, and are never part of a path (F57). */
  #pathOf(placed: Placed): string {
    return join(this.#folder, `${createHash('sha256').update(keyOfPlaced(placed)).digest('hex')}.json`)
  }
}

function storing<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    const message = `resources cannot be written to disk: ${(cause as Error).message}`
    throw new RollcallError('ROLLCALL_STORE_UNAVAILABLE', message, { cause })
  }
}
