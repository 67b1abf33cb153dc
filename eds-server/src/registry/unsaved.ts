/** Changes that are not on disk yet: of each key the newest, written in one transaction. */
import { type InstanceName, type LmdbFile, numberBytes } from './lmdb-file.ts'
import { FORMAT } from './stored-form.ts'

interface NamedChange {
  readonly name: InstanceName
  /** Undefined: removed. */
  readonly bytes: Buffer | undefined
}

type NamedDatabase = 'instances' | 'tombstones'

export class Unsaved {
  readonly #named: Record<NamedDatabase, Map<string, NamedChange>> = {
    instances: new Map(),
    tombstones: new Map(),
  }
  /** True: known; false: forgotten. */
  readonly #services = new Map<string, boolean>()

  get size(): number {
    return this.#named.instances.size + this.#named.tombstones.size + this.#services.size
  }

  change(
    database: NamedDatabase,
    { service, instanceId }: { service: string; instanceId: string },
    bytes: Buffer | undefined,
  ): void {
    this.#named[database].set(`${service}/${instanceId}`, { name: [service, instanceId], bytes })
  }

  changeService(service: string, isKnown: boolean): void {
    this.#services.set(service, isKnown)
  }

  /** Throws what the disk says; then nothing is written and nothing is forgotten. */
  write(file: LmdbFile, lastIncarnation: number): void {
    const { root, services, meta } = file
    root.transactionSync(() => {
      for (const database of ['instances', 'tombstones'] as const) {
        for (const { name, bytes } of this.#named[database].values()) {
          if (bytes) file[database].putSync(name, bytes)
          else file[database].removeSync(name)
        }
      }
      for (const [service, isKnown] of this.#services) {
        if (isKnown) services.putSync(service, Buffer.from('1'))
        else services.removeSync(service)
      }
      meta.putSync('format', numberBytes(FORMAT))
      meta.putSync('incarnation', numberBytes(lastIncarnation))
    })
    this.#named.instances.clear()
    this.#named.tombstones.clear()
    this.#services.clear()
  }
}
