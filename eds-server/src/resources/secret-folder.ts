/**
 * A folder that is one secret, as mounted Kubernetes secrets are: `tls.crt` with `tls.key`, `ca.crt`, or all three. They
 * count together or not at all: a look takes all of them, and so does a read.
 */
import type { BigIntStats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RollcallError } from '../errors.ts'
import { unreadable } from './document-error.ts'

/** In a directory of documents, and in each of its groups. */
export const SECRETS_FOLDER = 'secrets'
export const SECRET_FILES = ['tls.crt', 'tls.key', 'ca.crt'] as const
export type SecretFile = (typeof SECRET_FILES)[number]
/** Those of the files that there are. */
export type SecretParts = ReadonlyMap<SecretFile, Buffer>

const FILE_BYTES_MAX = 512 * 1024
const ABSENT = '-'

/** The names of the folders; none where there is no such place. Hidden ones are passed over. */
export async function secretFolders(place: string): Promise<string[]> {
  const entries = await readdir(place)
  if (!entries.includes(SECRETS_FOLDER)) return []
  const path = join(place, SECRETS_FOLDER)
  const names = (await readdir(path)).filter(name => !name.startsWith('.')).sort()
  const kinds = await Promise.all(names.map(name => stat(join(path, name))))
  return names.filter((_, index) => kinds[index]?.isDirectory())
}

/** Changes whenever one of the files may have. Rejects with a RollcallError. */
export async function signatureOfFolder(directory: string, folder: string): Promise<string> {
  const signatures: string[] = []
  for (const name of SECRET_FILES) signatures.push(await signatureOfPart(directory, join(folder, name)))
  return signatures.join('|')
}

/** Undefined: they changed while they were read. Rejects with a RollcallError. */
export async function readFolder(
  directory: string,
  folder: string,
  signature: string | undefined,
): Promise<SecretParts | undefined> {
  const present = SECRET_FILES.filter((_, index) => signature?.split('|')[index] !== ABSENT)
  const parts = new Map<SecretFile, Buffer>()
  try {
    for (const name of present) parts.set(name, await readFile(join(directory, folder, name)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unreadable(folder, error)
  }
  return (await signatureOfFolder(directory, folder)) === signature ? parts : undefined
}

export function signatureOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':')
}

async function signatureOfPart(directory: string, file: string): Promise<string> {
  try {
    const stats = await stat(join(directory, file), { bigint: true })
    if (!stats.isFile()) return ABSENT
    if (stats.size <= FILE_BYTES_MAX) return signatureOf(stats)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ABSENT
    throw unreadable(file, error)
  }
  throw new RollcallError('ROLLCALL_BODY_TOO_LARGE', `${file}: is more than ${FILE_BYTES_MAX} bytes`)
}
