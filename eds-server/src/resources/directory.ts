/**
 * A directory of documents, watched. A change counts when it has come to rest, all files of it together; what is
 * wrong leaves in force what was right before. The watch only wakes: what is there is always looked up, and looked
 * up now and then without being woken, because some file systems wake nobody.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Timer } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import type { Admission } from './admission.ts'
import { type Scan, scanDirectory } from './directory-scan.ts'
import { type DocumentError, documentError, unreadable } from './document-error.ts'
import { FileSet } from './file-set.ts'
import { type ReadVersion, versionsOf } from './file-versions.ts'
import { FolderWatch } from './folder-watch.ts'
import type { ResourceStore } from './resource-store.ts'

export interface DirectoryLog {
  error(details: object, message: string): void
  info(details: object, message: string): void
  debug(details: object, message: string): void
}

export interface DirectoryOptions {
  readonly path: string
  readonly store: ResourceStore
  readonly admission: Admission
  readonly clock: Clock
  readonly log: DirectoryLog
  /** Called once for each error that is new. */
  readonly refused: () => void
  /** Called when what is there was taken in, or what is wrong with it is known. */
  readonly taken?: () => unknown
}

/** A file is at rest when it is the same in two looks this far apart. */
const REST_MS = 100
/** So long a change waits for files that keep changing; then it counts without them. */
const UNREST_MS = 2000
const POLL_MS = 5000
const ITSELF = '.'

export class ResourceDirectory {
  readonly #options: DirectoryOptions
  readonly #files = new FileSet()
  readonly #watch: FolderWatch
  #known = new Map<string, ReadVersion>()
  #errors = new Map<string, DocumentError>()
  #lastLook: Scan | undefined
  #restlessSince: number | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #isWoken = false
  #isClosed = false
  #isStale = false

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#watch = new FolderWatch(options.log, () => this.#wake())
    options.store.on(() => this.#storeChanged())
  }

  /** Loads everything there is. Rejects with ROLLCALL_OPTION_INVALID when the directory cannot be listed. */
  async open(): Promise<void> {
    const { path } = this.#options
    try {
      for (;;) {
        const scan = await scanDirectory(path)
        this.#watch.follow(scan.folders)
        this.#lastLook = scan
        if (await this.#take(scan, scan)) break
        await delay(REST_MS)
      }
    } catch (cause) {
      if (cause instanceof RollcallError) throw cause
      const { code, message } = cause as NodeJS.ErrnoException
      const text = `--resources: ${JSON.stringify(path)} cannot be read: ${code ?? message}`
      throw new RollcallError('ROLLCALL_OPTION_INVALID', text, { field: '--resources', value: path, cause })
    }
    this.#schedule(POLL_MS)
  }

  errors(): readonly DocumentError[] {
    return [...this.#errors.values()]
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#watch.close()
    await this.#looking
  }

  /** The first event sets the time of the look: a writer that never rests does not put it off. */
  #wake(): void {
    if (!this.#isWoken && !this.#looking) this.#schedule(REST_MS)
    this.#isWoken = true
  }

  /** What dangled may have its target now. */
  #storeChanged(): void {
    if (this.#errors.size === 0) return
    this.#isStale = true
    this.#wake()
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#isWoken = false
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        this.#schedule(this.#isWoken || this.#restlessSince !== undefined ? REST_MS : POLL_MS)
      })
    })
  }

  async #look(): Promise<void> {
    const { path, log } = this.#options
    try {
      const scan = await scanDirectory(path)
      this.#watch.follow(scan.folders)
      const before = this.#lastLook
      this.#lastLook = scan
      if (!before || !(await this.#take(scan, before))) return
      this.#report(ITSELF, undefined)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined)
        log.error({ err: error, path }, 'the directory of resources could not be taken in')
      // What is in force stays: a directory that is gone says nothing of what it held.
      this.#restlessSince = undefined
      this.#report(ITSELF, error instanceof RollcallError ? error : unreadable(ITSELF, error))
    }
  }

  /** Takes what is at rest, once everything is or has been given time. False: not yet. */
  async #take(scan: Scan, before: Scan): Promise<boolean> {
    const { clock, store } = this.#options
    const { versions, isResting } = await versionsOf(scan, before, this.#known, this.#options)
    this.#restlessSince = isResting ? undefined : (this.#restlessSince ?? clock.now())
    if (this.#restlessSince !== undefined && clock.now() - this.#restlessSince < UNREST_MS) return false
    const isSame =
      !this.#isStale &&
      this.#known.size === versions.size &&
      Array.from(versions).every(([file, known]) => this.#known.get(file) === known)
    if (isSame) return true
    this.#isStale = false
    const proposed = new Map(Array.from(versions, ([file, { version }]) => [file, version]))
    const { placed, errors } = this.#files.propose(proposed, each => store.problemsWith('files', each))
    store.replace('files', placed)
    this.#files.accept()
    this.#known = versions
    for (const file of new Set([...this.#errors.keys(), ...errors.keys()])) {
      if (file !== ITSELF) this.#report(file, errors.get(file))
    }
    this.#options.log.info({ files: versions.size, resources: placed.length }, 'resources are loaded')
    this.#options.taken?.()
    return true
  }

  /** Once for each change: an error that stays is said once. */
  #report(file: string, error: RollcallError | undefined): void {
    const { clock, log, refused } = this.#options
    const known = this.#errors.get(file)
    if (!error) {
      if (this.#errors.delete(file)) log.info({ file }, 'a file of resources is right again')
      return
    }
    const shown = documentError(file, error, known, clock.wallTime())
    this.#errors.set(file, shown)
    if (shown.message === known?.message) return
    refused()
    log.error(shown, 'a file of resources is refused; what was in force stays')
  }
}
