/**
 * Where registrations outlive the process. The registry answers from its own memory; it writes every change of
 * a registration to the store (heartbeats are not changes) and reads the store once, at start.
 */
import type { Instance } from './instance.ts'

export interface StoredInstance {
  readonly instance: Instance
  /** SHA-256 of the lease secret, one character a byte; undefined without a lease. */
  readonly secretHash: string | undefined
}

export interface StoredState {
  /** The largest incarnation ever issued; 0 in a new store. */
  readonly lastIncarnation: number
  readonly instances: readonly StoredInstance[]
}

export interface Store {
  load(): StoredState
  put(stored: StoredInstance): void
  remove(instance: Instance): void
  close(): void
}

/** `--data-dir none`: nothing outlives the process. */
export const memoryStore: Store = {
  load: () => ({ lastIncarnation: 0, instances: [] }),
  put() {
    // The registry's own memory is all there is.
  },
  remove() {
    // As above.
  },
  close() {
    // As above.
  },
}
