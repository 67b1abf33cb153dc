/**
 * The embedded store: every change of a registration in an LMDB file. Changes are kept until they are on disk and
 * written together, one transaction after another; while one cannot be written the server goes on from memory
 * and tries again (F26).
 */
import type { Clock, Timer } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import type { Instance } from './instance.ts'
import { assertRoom, type LmdbFile } from './lmdb-file.ts'
import { writeGeneration } from './previous-generation.ts'
import type { Store, StoredInstance, StoredState } from './store.ts'
import { encodeInstance, encodeTombstone } from './stored-form.ts'
import type { Tombstone } from './tombstones.ts'
import { Unsaved } from './unsaved.ts'

export interface StoreLog {
  error(details: object, message: string): void
  warn(details: object, message: string): void
  info(details: object, message: string): void
}

const RETRY_MS = 1000

export interface DurableOptions {
  readonly directory: string
  readonly clock: Clock
  readonly log: StoreLog
  readonly file: LmdbFile
  readonly state: StoredState
  readonly release: () => void
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

export class DurableStore implements Store {
  readonly #options: DurableOptions
  readonly #unsaved = new Unsaved()
  readonly #services: Set<string>
  #lastIncarnation: number
  #waiters: Waiter[] = []
  #timer: Timer | undefined
  #restsUntil = 0
  #trouble: string | undefined
  #closed = false

  constructor(options: DurableOptions) {
    this.#options = options
    const { state } = options
    this.#lastIncarnation = state.lastIncarnation
    this.#services = new Set(state.services)
    // The first transaction marks a new file as whole; a recovered state is written down again.
    if (!state.isComplete) this.#writeDown(state)
    this.#commit()
    this.#keepGeneration()
  }

  load(): StoredState {
    return this.#options.state
  }

  put(stored: StoredInstance): void {
    const { instance } = stored
    this.#lastIncarnation = Math.max(this.#lastIncarnation, instance.incarnation)
    this.know(instance.service)
    this.#unsaved.change('instances', instance, encodeInstance(stored))
    this.#schedule(this.#restsUntil - this.#options.clock.now())
  }

  bury(instance: Instance, stone: Tombstone): void {
    this.#unsaved.change('instances', instance, undefined)
    this.#unsaved.change('tombstones', stone, encodeTombstone(stone))
    this.#schedule(this.#restsUntil - this.#options.clock.now())
  }

  dropStone(stone: Tombstone): void {
    this.#unsaved.change('tombstones', stone, undefined)
  }

  know(service: string): void {
    if (this.#services.has(service)) return
    this.#services.add(service)
    this.#unsaved.changeService(service, true)
    this.#schedule(this.#restsUntil - this.#options.clock.now())
  }

  forget(service: string): void {
    if (!this.#services.delete(service)) return
    this.#unsaved.changeService(service, false)
    this.#schedule(this.#restsUntil - this.#options.clock.now())
  }

  flushed(): Promise<void> | undefined {
    if (this.#unsaved.size === 0) return undefined
    // Whoever waits is told soon: the pause between two tries is for nobody's sake.
    if (this.#trouble !== undefined) this.#reschedule()
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  trouble(): string | undefined {
    return this.#trouble
  }

  close(): void {
    this.#timer?.cancel()
    this.#commit()
    this.#closed = true
    void this.#options.file.root.close()
    this.#options.release()
  }

  #writeDown({ services, instances, tombstones }: StoredState): void {
    for (const service of services) this.#unsaved.changeService(service, true)
    for (const stored of instances) this.#unsaved.change('instances', stored.instance, encodeInstance(stored))
    for (const stone of tombstones) this.#unsaved.change('tombstones', stone, encodeTombstone(stone))
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return
    this.#timer ??= this.#options.clock.setTimer(Math.max(0, delayMs), () => this.#commit())
  }

  #reschedule(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#schedule(0)
  }

  #commit(): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#timer = undefined
    const startedAt = clock.now()
    const waiters = this.#waiters
    this.#waiters = []
    try {
      assertRoom(this.#options.directory, this.#unsaved.size)
      this.#unsaved.write(this.#options.file, this.#lastIncarnation)
    } catch (cause) {
      const reason = `registrations cannot be written to disk: ${(cause as Error).message}`
      for (const waiter of waiters)
        waiter.reject(new RollcallError('ROLLCALL_STORE_UNAVAILABLE', reason, { cause }))
      if (this.#trouble === undefined) this.#options.log.error({ err: cause }, reason)
      this.#trouble = reason
      this.#schedule(RETRY_MS)
      return
    }
    if (this.#trouble !== undefined) this.#options.log.info({}, 'registrations are written to disk again')
    this.#trouble = undefined
    const endedAt = clock.now()
    // A slow disk gets half of the time; what arrives meanwhile shares the next transaction.
    this.#restsUntil = endedAt + (endedAt - startedAt)
    for (const waiter of waiters) waiter.resolve()
  }

  #keepGeneration(): void {
    const { directory, state, log } = this.#options
    try {
      writeGeneration(directory, state)
    } catch (err) {
      log.warn({ err }, 'the previous generation of registrations could not be written')
    }
  }
}
