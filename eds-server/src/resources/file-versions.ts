/** Reads the files that changed. What did not change is what it was: the same object. */
import { RollcallError } from '../errors.ts'
import type { Admission, AdmittedResource } from './admission.ts'
import { secretsOf } from './certificates.ts'
import { readScanned, type Scan, type ScannedFile } from './directory-scan.ts'
import { resourcesIn } from './document.ts'
import type { Attempt, FileVersion } from './file-set.ts'
import { readFolder } from './secret-folder.ts'

export interface ReadVersion {
  /** Undefined: it could not be read. */
  readonly signature: string | undefined
  readonly version: FileVersion
}

export interface ReadOptions {
  readonly path: string
  readonly admission: Admission
}

/** A file that was not the same in the look before is not at rest: of it the version that was known stays. */
export async function versionsOf(
  scan: Scan,
  before: Scan,
  known: ReadonlyMap<string, ReadVersion>,
  options: ReadOptions,
): Promise<{ versions: Map<string, ReadVersion>; isResting: boolean }> {
  const versions = new Map<string, ReadVersion>()
  let isResting = [...before.files.keys()].every(file => scan.files.has(file))
  for (const [file, scanned] of scan.files) {
    const isAtRest = before.files.get(file)?.signature === scanned.signature
    const read = isAtRest ? await versionOf(file, scanned, known.get(file), options) : undefined
    if (!read) isResting = false
    const version = read ?? known.get(file)
    if (version) versions.set(file, version)
  }
  return { versions, isResting }
}

/** Undefined: it changes while it is read. */
async function versionOf(
  file: string,
  scanned: ScannedFile,
  known: ReadVersion | undefined,
  { path, admission }: ReadOptions,
): Promise<ReadVersion | undefined> {
  const { group, signature, problem } = scanned
  if (known && signature !== undefined && known.signature === signature) return known
  if (problem) return failed(group, problem, known)
  try {
    const resources = await contentOf(path, file, scanned, admission)
    return resources && { signature, version: { group, attempt: attempt(resources) } }
  } catch (error) {
    if (error instanceof RollcallError) return failed(group, error, known)
    throw error
  }
}

/** What makes its resources out of what was read; undefined: it changes while it is read. */
async function contentOf(
  path: string,
  file: string,
  scanned: ScannedFile,
  admission: Admission,
): Promise<(() => readonly AdmittedResource[]) | undefined> {
  if (scanned.kind === 'secret') {
    const parts = await readFolder(path, file, scanned.signature)
    return parts && (() => secretsOf(parts, file, admission))
  }
  const text = await readScanned(path, file, scanned)
  return text === undefined ? undefined : () => resourcesIn(text, file, admission)
}

function attempt(resources: () => readonly AdmittedResource[]): Attempt {
  try {
    return resources()
  } catch (error) {
    if (error instanceof RollcallError) return error
    throw error
  }
}

/** The same trouble again is no change. */
function failed(group: string, error: RollcallError, known: ReadVersion | undefined): ReadVersion {
  const before = known?.version.attempt
  const isKnown = before instanceof RollcallError && before.message === error.message
  return known && isKnown ? known : { signature: undefined, version: { group, attempt: error } }
}
