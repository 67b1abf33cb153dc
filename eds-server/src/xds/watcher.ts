/** One subscription of one client, as a cache sees it. */
import type { LaggardState } from './node-status.ts'

export interface Watcher {
  readonly node: string
  readonly cluster: string
  /** These changed, came or went, all at one time. */
  changed(names: readonly string[]): void
  released(): void
  /** The time to live of these is to be told again. */
  renewalDue(names: readonly string[]): void
  /**
   * The newest revision of the name that the client ACKed; -1 for none. WILDCARD: Infinity when the client has
   * accepted all that it watches, as it is now; else -1.
   */
  ackedRevision(name: string): number
  pendingState(name: string): LaggardState
}
