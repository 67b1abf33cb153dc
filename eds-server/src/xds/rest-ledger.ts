/**
 * What one client was told over REST, and what its polls say to that. A poll that shows the version of the last answer
 * is its ACK; one that goes on showing an older version is taken for a NACK, since over REST a client that refuses
 * says nothing.
 */
import type { RequestError } from './discovery-request.ts'
import { NACKED_NAMES, type Nack, type PendingState } from './node-status.ts'
import { withheld } from './request-check.ts'
import type { ResourceSet } from './resource-cache.ts'

interface Told {
  readonly version: string
  /** The revision of the cache that the answer was made from. */
  revision: number
  /** Polls since then that showed another version. */
  misses: number
  isAccepted: boolean
  /** It holds a secret. */
  readonly isConfidential: boolean
}

export interface Accepted {
  readonly version: string
  readonly revision: number
  /** Wall time, RFC 3339. */
  readonly at: string
}

/** A client may ask once more with what it had: its polls can cross our answer. */
const MISSES_OF_A_NACK = 2

export class RestLedger {
  readonly #names: readonly string[]
  readonly #wallTime: () => Date
  #told: Told | undefined
  #accepted: Accepted | undefined
  #nack: Nack | undefined

  /** `names`: what the client asks for. */
  constructor(names: readonly string[], wallTime: () => Date) {
    this.#names = names
    this.#wallTime = wallTime
  }

  /** What the client took last. */
  get accepted(): Accepted | undefined {
    return this.#accepted
  }

  get nack(): Nack | undefined {
    return this.#nack
  }

  /** Where the client stands with what it has not accepted as it is now. */
  get pendingState(): PendingState {
    if (this.#nack) return 'NACKED'
    return this.#told ? 'STALE' : 'NOT_SENT'
  }

  /** Whether the client has taken what there was at this revision. */
  has(revision: number): boolean {
    return this.#accepted !== undefined && !this.#nack && this.#accepted.revision >= revision
  }

  /** A poll shows `version`, or says that it refuses what it was told last. True: it accepts that. */
  polled(version: string, error: RequestError | undefined): boolean {
    const told = this.#told
    if (!told) return false
    if (version === told.version) {
      this.#accept(told)
      return true
    }
    if (told.isAccepted) this.#startAnew()
    else this.#miss(told, error)
    return false
  }

  tell({ version, resources }: ResourceSet, revision: number): void {
    const misses = this.#told?.version === version ? this.#told.misses : 0
    const isConfidential = resources.some(resource => resource.isConfidential)
    this.#told = { version, revision, misses, isAccepted: false, isConfidential }
  }

  /** The client has this version, whoever told it: this server before a restart, say. */
  hasCurrent(version: string, revision: number, isConfidential: boolean): void {
    if (this.#told?.version !== version) {
      this.#told = { version, revision, misses: 0, isAccepted: false, isConfidential }
    }
    this.#told.revision = revision
    this.#accept(this.#told)
  }

  #accept(told: Told): void {
    told.isAccepted = true
    this.#nack = undefined
    this.#accepted = { version: told.version, revision: told.revision, at: this.#now() }
  }

  #miss(told: Told, error: RequestError | undefined): void {
    told.misses += 1
    if (!error && told.misses < MISSES_OF_A_NACK) return
    const suspicion = { code: 0, message: `suspected: asked again ${told.misses} times without it` }
    const said = error && told.isConfidential ? withheld(error) : error
    const resources = this.#names.slice(0, NACKED_NAMES)
    this.#nack = { version: told.version, resources, ...(said ?? suspicion), at: this.#now() }
  }

  /** It has accepted an answer and now has another version: it started again, or its configuration did. */
  #startAnew(): void {
    this.#told = undefined
    this.#accepted = undefined
  }

  #now(): string {
    return this.#wallTime().toISOString()
  }
}
