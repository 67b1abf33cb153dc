/** Puts the parts of this layer together: what the API stored, then the directory, then the first snapshots. */
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { Admission } from './admission.ts'
import { ApiFiles, memoryApiStore } from './api-files.ts'
import { CertificateExpiry, type ExpiryLog } from './certificate-expiry.ts'
import { danglingError } from './dangling-error.ts'
import { type DirectoryLog, ResourceDirectory } from './directory.ts'
import { type DocumentError, documentError } from './document-error.ts'
import { ResourceApi } from './resource-api.ts'
import { ResourceStore } from './resource-store.ts'
import { NOT_WHOLE, Wholeness } from './wholeness.ts'

export interface ResourcesOptions {
  /** The directory of documents; undefined: none. */
  readonly directory: string | undefined
  /** API resources are kept in `resources/` of it; undefined: memory only. */
  readonly dataDir: string | undefined
  /** See AdmissionOptions. */
  readonly secretsAllowed: boolean
  readonly clock: Clock
  readonly log: DirectoryLog & ExpiryLog
  /** Called for each refused change, whoever made it. */
  readonly refused: (origin: 'api' | 'files') => void
}

export interface Resources {
  readonly store: ResourceStore
  readonly admission: Admission
  readonly api: ResourceApi
  readonly certificates: CertificateExpiry
  /** Whether nothing had to be left out at the start. */
  readonly wholeness: Wholeness
  close(): Promise<void>
}

/** Rejects with ROLLCALL_OPTION_INVALID for a directory that cannot be read, and ROLLCALL_STORE_UNAVAILABLE. */
export async function openResources(options: ResourcesOptions): Promise<Resources> {
  const { directory: path, dataDir, secretsAllowed, clock, log, refused } = options
  const store: ResourceStore = new ResourceStore(() => wholeness.check())
  const admission = new Admission({ secretsAllowed })
  const fileAdmission = new Admission({ secretsAllowed, confidentialTypesAllowed: true })
  const disk = dataDir === undefined ? memoryApiStore : new ApiFiles(join(dataDir, 'resources'))
  const stored = disk.load(admission)
  store.replace('api', stored.placed)
  const directory =
    path === undefined
      ? undefined
      : new ResourceDirectory({
          ...{ path, store, clock, log },
          admission: fileAdmission,
          refused: () => refused('files'),
          taken: () => store.isOpen && wholeness.check(),
        })
  const openedAt = clock.wallTime()
  const unusable = Array.from(stored.errors, ([file, error]) =>
    documentError(file, error, undefined, openedAt),
  )
  for (const error of unusable) log.error(error, 'a stored resource can no longer be used; it stays on disk')
  const held = (): DocumentError[] =>
    store.held().map(each => documentError(each.owner.source, danglingError([each]), undefined, openedAt))
  const errors = (): DocumentError[] => [...(directory?.errors() ?? []), ...unusable, ...held()]
  const wholeness = new Wholeness(errors)
  await directory?.open()
  store.open()
  for (const error of held()) log.error(error, 'a stored resource waits for what it refers to')
  if (!wholeness.isWhole) log.error({ documents: errors().length }, `documents are left out: ${NOT_WHOLE}`)
  const api = new ResourceApi({ store, admission, disk, errors, refused: () => refused('api') })
  const certificates = new CertificateExpiry({ store, clock, log })
  const close = async (): Promise<void> => {
    certificates.close()
    await directory?.close()
  }
  return { store, admission, api, certificates, wholeness, close }
}
