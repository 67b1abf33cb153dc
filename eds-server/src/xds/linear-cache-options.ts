/** What a cache asks of those who fill it. */
import type { Clock } from '../clock.ts'
import type { Resource } from './resource.ts'

export interface LinearCacheOptions {
  /** What a SotW client is told of a name that was never set. Default: nothing, it is kept waiting. */
  readonly placeholder?: (name: string) => Resource | undefined
  /**
   * Says whether a name is withheld from a client that shows this version of an earlier stream (empty: none): it
   * is neither sent nor told as removed, until `release()` asks again. Asked with WILDCARD for a whole
   * subscription; state of the world for types with full state is withheld in no other way. Default: nothing is.
   */
  readonly hold?: (name: string, clientVersion: string) => boolean
  /**
   * Called before a name, or WILDCARD, is watched: whoever fills the cache only where somebody watches does so
   * now. Default: nothing.
   */
  readonly demand?: (name: string) => void
  /** For the deadlines of `acked` and the return of lost clients. Default: the system's clock. */
  readonly clock?: Clock
}
