/** Files that are replaced as a whole and survive a crash of the machine: at every moment one whole file is there. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const OWNER_ONLY = 0o600

/** tmp, fsync, rename, fsync of the directory. On disk when it returns. Throws what node:fs throws. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.tmp`
  synced(temporary, 'w', file => writeFileSync(file, text))
  renameSync(temporary, path)
  synced(dirname(path), 'r', () => undefined)
}

/** Gone from disk when it returns; a file that is not there is no error. */
export function removeFile(path: string): void {
  rmSync(path, { force: true })
  synced(dirname(path), 'r', () => undefined)
}

function synced(path: string, flags: string, work: (file: number) => void): void {
  const file = openSync(path, flags, OWNER_ONLY)
  try {
    work(file)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
