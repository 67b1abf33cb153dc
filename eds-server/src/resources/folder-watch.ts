/** Wakes when something in one of the folders changes. Where watching fails, it says so and wakes nobody. */
import { type FSWatcher, watch } from 'node:fs'

interface Watched {
  /** Device and inode: a folder that was replaced is another one under the same name. */
  readonly identity: string
  readonly watcher: FSWatcher
}

interface WatchLog {
  debug(details: object, message: string): void
}

export class FolderWatch {
  readonly #log: WatchLog
  readonly #wake: () => void
  readonly #watched = new Map<string, Watched>()

  constructor(log: WatchLog, wake: () => void) {
    this.#log = log
    this.#wake = wake
  }

  /** From now on these and no others: paths with their identities. */
  follow(folders: ReadonlyMap<string, string>): void {
    for (const [path, { identity, watcher }] of [...this.#watched]) {
      if (folders.get(path) === identity) continue
      watcher.close()
      this.#watched.delete(path)
    }
    for (const [path, identity] of folders) {
      if (!this.#watched.has(path)) this.#add(path, identity)
    }
  }

  close(): void {
    this.follow(new Map())
  }

  #add(path: string, identity: string): void {
    try {
      const watcher = watch(path, { persistent: false }, this.#wake)
      watcher.on('error', err => {
        this.#log.debug({ err, path }, 'a folder can no longer be watched')
        watcher.close()
        this.#watched.delete(path)
      })
      this.#watched.set(path, { identity, watcher })
    } catch (err) {
      this.#log.debug({ err, path }, 'a folder cannot be watched')
    }
  }
}
