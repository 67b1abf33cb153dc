/**
 * Where one client stands with one type: what it asks for, what it is to have of that, what it was told and what it
 * has accepted or refused. What it must be told next is the subscription's.
 */
import { Ledger } from './ledger.ts'
import type { PendingState, ResourceState } from './node-status.ts'
import type { Resource } from './resource.ts'
import { collectionOf, isCollection, WILDCARD } from './resource-cache.ts'
import type { Source } from './subscription-ports.ts'

export abstract class Standing {
  protected source: Source
  protected readonly ledger: Ledger = new Ledger()
  readonly #names = new Set<string>()
  #isWildcard = false

  constructor(source: Source) {
    this.source = source
  }

  /** What stands in for a subscribed name that does not exist. */
  protected abstract substitute(name: string): Resource | undefined

  /** Whether each response is all that is subscribed. */
  protected get tellsFullState(): boolean {
    return false
  }

  /** Goes on with another source that holds the same at this moment, with the same revisions. */
  move(source: Source): void {
    this.source = source
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  get isWildcard(): boolean {
    return this.#isWildcard
  }

  get isOutstanding(): boolean {
    return this.ledger.isOutstanding
  }

  get hasAccepted(): boolean {
    return this.ledger.hasAccepted
  }

  covers(name: string): boolean {
    if (this.#isWildcard || this.#names.has(name)) return true
    const collection = collectionOf(name)
    return collection !== undefined && this.#names.has(collection)
  }

  /** The client refused a resource as it is now. */
  get refusesAny(): boolean {
    return this.ledger.hasRefused && Array.from(this.ledger.names()).some(name => this.refuses(name))
  }

  /** Every resource that is subscribed or that the client may still have, each once. */
  *states(): Generator<ResourceState> {
    const covered = Array.from(this.source.names()).filter(name => this.covers(name) && this.find(name))
    for (const name of new Set([...covered, ...this.#names, ...this.ledger.names()])) {
      const resource = this.current(name)
      const isSynced = this.ledger.isAccepted(name) && this.ledger.versionOf(name) === resource?.version
      yield { name, resource, state: isSynced ? 'SYNCED' : this.pendingState(name) }
    }
  }

  /** Where a name stands that the client has not ACKed as it is now. */
  pendingState(name: string): PendingState {
    if (name === WILDCARD) return this.refusesAny ? 'NACKED' : 'STALE'
    if (this.refuses(name)) return 'NACKED'
    const isTold = this.tellsFullState ? this.ledger.lastNonce !== '' : this.ledger.isKnown(name)
    return isTold ? 'STALE' : 'NOT_SENT'
  }

  /** The resource as far as this client is to have it. */
  protected find(name: string): Resource | undefined {
    const resource = this.source.get(name)
    return resource?.isOnDemand && !this.#names.has(name) ? undefined : resource
  }

  /** The resource, or what stands in for it. */
  protected current(name: string): Resource | undefined {
    return this.find(name) ?? this.substitute(name)
  }

  /** Whether the client was told something else of the name than what is true now. */
  protected differs(name: string): boolean {
    return this.ledger.versionOf(name) !== this.find(name)?.version
  }

  protected refuses(name: string): boolean {
    if (!this.ledger.isRejected(name)) return false
    const current = this.current(name)
    // That something is gone has no content that could be refused.
    return current !== undefined && this.ledger.versionOf(name) === current.version
  }

  /** Adds the name, or by WILDCARD everything, to what is asked for; false if it was. */
  protected ask(name: string): boolean {
    if (name === WILDCARD ? this.#isWildcard : this.#names.has(name)) return false
    if (name === WILDCARD) this.#isWildcard = true
    else this.#names.add(name)
    return true
  }

  /** Takes it away again; false if it was not asked for. */
  protected unask(name: string): boolean {
    if (name !== WILDCARD) return this.#names.delete(name)
    const wasWildcard = this.#isWildcard
    this.#isWildcard = false
    return wasWildcard
  }

  /** The resources of a collection; of an empty one, and of any other name, the name itself. */
  protected membersOf(name: string): string[] {
    if (!isCollection(name)) return [name]
    const members = Array.from(this.source.names()).filter(each => collectionOf(each) === name)
    return members.length > 0 ? members : [name]
  }
}
