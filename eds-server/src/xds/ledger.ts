/**
 * What one stream was told of one type, and what of that the client has accepted. It holds the one response that
 * may be outstanding; an ACK raises the acknowledged revision of each name in it, a NACK only marks them.
 */
import type { RequestError } from './discovery-request.ts'
import type { Resource } from './resource.ts'
import type { Source } from './subscription-ports.ts'

/** What a client said to the response that was outstanding. */
export interface Verdict {
  readonly version: string
  readonly nonce: string
  readonly names: readonly string[]
  /** Present in a NACK. */
  readonly error: RequestError | undefined
}

/** What the client was told last of one name; told again, it is changed in place. */
interface Told {
  readonly name: string
  /** Undefined: that it does not exist. */
  version: string | undefined
  revision: number
  /** The newest revision of the name that was ACKed; -1 for none. */
  ackedRevision: number
  state: 'sent' | 'accepted' | 'rejected'
}

interface Outstanding {
  readonly nonce: string
  readonly version: string
  readonly told: readonly Told[]
  floor: number | undefined
}

export interface Telling {
  readonly nonce: string
  readonly version: string
  readonly resources: readonly Resource[]
  readonly removed: readonly string[]
  /** Present when the response is the full state: the revision of all of it. */
  readonly floor: number | undefined
}

export class Ledger {
  readonly #told = new Map<string, Told>()
  #outstanding: Outstanding | undefined
  /** Whatever is subscribed was ACKed up to this revision; -1 for nothing. */
  #floor = -1
  #lastNonce = ''
  #isLastRejected = false
  #hasRefused = false

  get isOutstanding(): boolean {
    return this.#outstanding !== undefined
  }

  /** The nonce of the newest response; empty before the first. */
  get lastNonce(): string {
    return this.#lastNonce
  }

  /** The client has accepted something, on this stream or (delta) on an earlier one. */
  get hasAccepted(): boolean {
    return this.#floor >= 0 || Array.from(this.#told.values()).some(told => told.state === 'accepted')
  }

  /** Whether the client ever refused anything: most never do, and nobody need look for what. */
  get hasRefused(): boolean {
    return this.#hasRefused
  }

  names(): Iterable<string> {
    return this.#told.keys()
  }

  /** The version that the client was told last; undefined for none, or that the name does not exist. */
  versionOf(name: string): string | undefined {
    return this.#told.get(name)?.version
  }

  isKnown(name: string): boolean {
    return this.#told.has(name)
  }

  isAccepted(name: string): boolean {
    const told = this.#told.get(name)
    return told !== undefined && told.state === 'accepted'
  }

  isRejected(name: string): boolean {
    return this.#told.get(name)?.state === 'rejected'
  }

  ackedRevision(name: string): number {
    return Math.max(this.#floor, this.#told.get(name)?.ackedRevision ?? -1)
  }

  /** Notes a response as outstanding. */
  tell(telling: Telling, source: Pick<Source, 'revisionOf'>): void {
    const { nonce, version, resources, removed, floor } = telling
    const told: Told[] = []
    for (const { name, version: each } of resources)
      told.push(this.#note(name, each, source.revisionOf(name)))
    for (const name of removed) told.push(this.#note(name, undefined, source.revisionOf(name)))
    // With the full state absence deletes.
    if (floor !== undefined) {
      this.#told.clear()
      for (const each of told) this.#told.set(each.name, each)
    }
    this.#outstanding = { nonce, version, told, floor }
    this.#lastNonce = nonce
  }

  /**
   * Ends the outstanding response if the nonce names it: an ACK or, with an error, a NACK. What was forgotten
   * meanwhile stays so.
   */
  settle(
    nonce: string,
    error: RequestError | undefined,
    subscribed: { covers(name: string): boolean },
  ): Verdict | undefined {
    const outstanding = this.#outstanding
    if (!outstanding || nonce !== outstanding.nonce) return undefined
    const { told, version, floor } = outstanding
    this.#outstanding = undefined
    this.#isLastRejected = error !== undefined
    this.#hasRefused ||= this.#isLastRejected
    const names: string[] = []
    for (const each of told) {
      const { name } = each
      names.push(name)
      each.state = error ? 'rejected' : 'accepted'
      if (error) continue
      each.ackedRevision = each.revision
      // Forgotten and covered again while it was under way: the client took it for the new subscription.
      if (this.#told.get(name) !== each && subscribed.covers(name)) this.#told.set(name, each)
    }
    if (!error && floor !== undefined) this.#floor = floor
    return { version, nonce, names, error }
  }

  /** Waits for the outstanding response no longer; returns the names in it. An ACK of it comes too late. */
  abandon(): string[] {
    const names = this.#outstanding?.told.map(({ name }) => name) ?? []
    this.#outstanding = undefined
    return names
  }

  /** Notes what the client has from an earlier stream. */
  recall(name: string, version: string): void {
    this.#told.set(name, { name, version, revision: -1, ackedRevision: -1, state: 'accepted' })
  }

  /** The name changed and changed back: an ACK of its content stands for the new revision. Says if there was one. */
  renew(name: string, revision: number): boolean {
    const told = this.#told.get(name)
    if (told?.state !== 'accepted') return false
    told.ackedRevision = revision
    return true
  }

  /** The same for the full state. */
  renewAll(revision: number): boolean {
    if (this.#floor < 0 || this.#isLastRejected) return false
    this.#floor = revision
    return true
  }

  forget(name: string): void {
    this.#told.delete(name)
  }

  /** More is subscribed than the full state that was ACKed, or is under way, covered. */
  uncover(): void {
    this.#floor = -1
    if (this.#outstanding) this.#outstanding.floor = undefined
  }

  #note(name: string, version: string | undefined, revision: number): Told {
    const known = this.#told.get(name)
    if (!known) {
      const told: Told = { name, version, revision, ackedRevision: -1, state: 'sent' }
      this.#told.set(name, told)
      return told
    }
    known.version = version
    known.revision = revision
    known.state = 'sent'
    return known
  }
}
