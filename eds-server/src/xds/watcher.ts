/** One subscription of one stream, as the cache sees it. */
import type { LaggardState } from './node-status.ts'

export interface Watcher {
  readonly node: string
  readonly cluster: string
  changed(name: string): void
  released(): void
  /** The newest revision of the name that the client ACKed; -1 for none. */
  ackedRevision(name: string): number
  pendingState(name: string): LaggardState
}
