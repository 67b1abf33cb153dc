/**
 * What is in the directory, without reading the files: each with a signature that changes whenever its content may
 * have. Symbolic links are followed, which is how mounted ConfigMaps are replaced.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RollcallError } from '../errors.ts'
import { unreadable } from './document-error.ts'
import { COMMON } from './effective.ts'
import { SECRETS_FOLDER, secretFolders, signatureOf, signatureOfFolder } from './secret-folder.ts'

export interface ScannedFile {
  readonly group: string
  /** A document, or a folder that is a secret as a whole. */
  readonly kind: 'document' | 'secret'
  /** Undefined: the file cannot be looked at; `problem` says why. */
  readonly signature: string | undefined
  readonly problem?: RollcallError
}

export interface Scan {
  /** By path relative to the directory, sorted. */
  readonly files: ReadonlyMap<string, ScannedFile>
  /** Absolute paths of the folders in it that hold files, itself included, each with its inode. */
  readonly folders: ReadonlyMap<string, string>
}

const GROUPS = 'groups'
const FILE_BYTES_MAX = 4 * 1024 * 1024
const FILES_MAX = 1000
/** Not those of editors and of mounts: hidden ones, backups, swap files. */
const WANTED = /^[^.].*\.(?:ya?ml|json)$/

/** Rejects when the directory or one of its groups cannot be listed. */
export async function scanDirectory(directory: string): Promise<Scan> {
  const groups = await groupsIn(directory)
  const places = [['', COMMON] as const, ...groups.map(group => [join(GROUPS, group), group] as const)]
  const files = new Map<string, ScannedFile>()
  const folders = new Map<string, string>()
  if (groups.length > 0) await addFolder(folders, join(directory, GROUPS))
  for (const [folder, group] of places) {
    await addFolder(folders, join(directory, folder))
    const names = (await readdir(join(directory, folder))).filter(name => WANTED.test(name)).sort()
    for (const name of names) {
      const scanned = await scanFile(directory, join(folder, name), group)
      if (scanned) files.set(join(folder, name), scanned)
    }
    await addSecrets(directory, folder, group, { files, folders })
  }
  if (files.size > FILES_MAX) {
    throw new RollcallError('ROLLCALL_LIMIT_REACHED', `.: has ${files.size} files; the limit is ${FILES_MAX}`)
  }
  return { files, folders }
}

/** Rejects with a RollcallError. Undefined: it changed while it was read. */
export async function readScanned(
  directory: string,
  file: string,
  { signature }: ScannedFile,
): Promise<string | undefined> {
  try {
    const bytes = await readFile(join(directory, file))
    const after = signatureOf(await stat(join(directory, file), { bigint: true }))
    return after === signature ? bytes.toString() : undefined
  } catch (error) {
    throw unreadable(file, error)
  }
}

async function groupsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory)
  if (!entries.includes(GROUPS)) return []
  const names = (await readdir(join(directory, GROUPS))).filter(name => !name.startsWith('.')).sort()
  const kinds = await Promise.all(names.map(name => stat(join(directory, GROUPS, name))))
  return names.filter((_, index) => kinds[index]?.isDirectory())
}

async function addSecrets(
  directory: string,
  place: string,
  group: string,
  { files, folders }: { files: Map<string, ScannedFile>; folders: Map<string, string> },
): Promise<void> {
  const names = await secretFolders(join(directory, place))
  if (names.length === 0) return
  await addFolder(folders, join(directory, place, SECRETS_FOLDER))
  for (const name of names) {
    const folder = join(place, SECRETS_FOLDER, name)
    await addFolder(folders, join(directory, folder))
    try {
      const signature = await signatureOfFolder(directory, folder)
      files.set(folder, { group, kind: 'secret', signature })
    } catch (error) {
      if (!(error instanceof RollcallError)) throw error
      files.set(folder, { group, kind: 'secret', signature: undefined, problem: error })
    }
  }
}

async function addFolder(folders: Map<string, string>, path: string): Promise<void> {
  const { dev, ino } = await stat(path, { bigint: true })
  folders.set(path, `${dev}:${ino}`)
}

/** Undefined for what is no file: reading a pipe would never end. */
async function scanFile(directory: string, file: string, group: string): Promise<ScannedFile | undefined> {
  const kind = 'document'
  try {
    const stats = await stat(join(directory, file), { bigint: true })
    if (!stats.isFile()) return undefined
    if (stats.size <= FILE_BYTES_MAX) return { group, kind, signature: signatureOf(stats) }
    const message = `${file}: is ${stats.size} bytes; the limit is ${FILE_BYTES_MAX}`
    return {
      group,
      kind,
      signature: undefined,
      problem: new RollcallError('ROLLCALL_BODY_TOO_LARGE', message),
    }
  } catch (error) {
    return { group, kind, signature: undefined, problem: unreadable(file, error) }
  }
}
