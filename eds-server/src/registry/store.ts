/**
 * Where registrations outlive the process. The registry answers from its own memory; it writes every change of
 * a registration to the store (heartbeats are not changes) and reads the store once, at start.
 */
import type { Instance } from './instance.ts'
import type { Tombstone } from './tombstones.ts'

export interface StoredInstance {
  readonly instance: Instance
  /** SHA-256 of the lease secret, one character a byte; undefined without a lease. */
  readonly secretHash: string | undefined
}

export interface StoredState {
  /** The largest incarnation ever issued; 0 in a new store. */
  readonly lastIncarnation: number
  readonly instances: readonly StoredInstance[]
  /** Every service that is known, those that lost their last instance included. */
  readonly services: readonly string[]
  /** Why recent lives ended, in any order. */
  readonly tombstones: readonly Tombstone[]
  /** False where earlier registrations may be missing: nothing is stored, or what was is damaged (F02, F27). */
  readonly isComplete: boolean
}

export interface Store {
  load(): StoredState
  put(stored: StoredInstance): void
  /** The life is over: it goes and its stone comes, both or neither. */
  bury(instance: Instance, stone: Tombstone): void
  /** The reason of an old ending is no longer kept. */
  dropStone(stone: Tombstone): void
  /** The service is known, with or without instances. */
  know(service: string): void
  /** The service is as if never heard of. */
  forget(service: string): void
  /**
   * Undefined: everything is on disk, or never will be. Else resolves when it is; rejects with
   * ROLLCALL_STORE_UNAVAILABLE when it could not be written, and goes on trying (F26).
   */
  flushed(): Promise<void> | undefined
  /** Why nothing can be written at present; undefined when all is well. */
  trouble(): string | undefined
  close(): void
}

export const EMPTY_STATE: StoredState = {
  lastIncarnation: 0,
  instances: [],
  services: [],
  tombstones: [],
  isComplete: false,
}

/** `--data-dir none`: nothing outlives the process. */
export const memoryStore: Store = {
  load: () => EMPTY_STATE,
  put() {
    // The registry's own memory is all there is.
  },
  bury() {
    // As above.
  },
  dropStone() {
    // As above.
  },
  know() {
    // As above.
  },
  forget() {
    // As above.
  },
  flushed: () => undefined,
  trouble: () => undefined,
  close() {
    // As above.
  },
}
