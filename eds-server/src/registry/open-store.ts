/** Opens the store of a directory: checked, and where it is damaged replaced by the previous generation (F27). */
import type { Clock } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import { holdDirectory, unavailable } from './data-dir.ts'
import { DurableStore, type StoreLog } from './durable-store.ts'
import { checkFile, type LmdbFile, openFile, readFile, setAside } from './lmdb-file.ts'
import { readGeneration } from './previous-generation.ts'
import { EMPTY_STATE, type Store, type StoredState } from './store.ts'
import { Damaged } from './stored-form.ts'

/** Rejects with ROLLCALL_STORE_UNAVAILABLE: the directory is held, cannot be written, or is of a newer version. */
export async function openStore(directory: string, clock: Clock, log: StoreLog): Promise<Store> {
  const held = await holdDirectory(directory)
  try {
    const { file, state } = opened(directory, clock, log)
    return new DurableStore({ directory, clock, log, file, state, release: held.release })
  } catch (error) {
    held.release()
    if (error instanceof RollcallError) throw error
    throw unavailable(directory, `cannot be used: ${(error as Error).message}`, error)
  }
}

function opened(directory: string, clock: Clock, log: StoreLog): { file: LmdbFile; state: StoredState } {
  try {
    checkFile(directory)
    const file = openFile(directory)
    try {
      return { file, state: readFile(file, directory) }
    } catch (error) {
      void file.root.close()
      throw error
    }
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
    const aside = setAside(directory, clock.wallTime())
    log.error({ err: error, aside }, 'the stored registrations are damaged and were set aside')
    return { file: openFile(directory), state: previousState(directory, log) }
  }
}

function previousState(directory: string, log: StoreLog): StoredState {
  try {
    const previous = readGeneration(directory)
    if (previous) {
      log.warn({ instances: previous.instances.length }, 'the previous generation of registrations is used')
      return { ...previous, isComplete: false }
    }
  } catch (err) {
    log.error({ err }, 'the previous generation of registrations is damaged too')
  }
  return EMPTY_STATE
}
