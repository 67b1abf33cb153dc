/**
 * What one stream must be told next of one type: a state machine without I/O (xds-rules.md 1.10). At most one
 * response is un-ACKed; what changes meanwhile is kept as a set of dirty names, so that a slow client costs no memory
 * and a stale nonce loses nothing. The two forms of the protocol are its subclasses.
 */
import type { RequestError } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { Verdict } from './ledger.ts'
import { type Resource, versionOf } from './resource.ts'
import { isCollection, WILDCARD } from './resource-cache.ts'
import { Standing } from './standing.ts'
import type { Interest, Plan, Source } from './subscription-ports.ts'

/** gRPC clients take no message above 4 MiB: a response is cut between resources before that. */
const RESPONSE_BYTES = 3 * 1024 * 1024
const NONE: readonly never[] = []

export abstract class Subscription<Request> extends Standing {
  /** By dirty name: whether it must be told even if the client has it at this version. */
  protected readonly dirty: Map<string, boolean> = new Map()
  /** Names whose time to live is due to be told, without the resource; few streams ever have one. */
  protected renewals: Set<string> | undefined
  /** A response is due even if it is empty. */
  protected owesAnswer = false
  readonly #interest: Interest

  constructor(source: Source, interest: Interest) {
    super(source)
    this.#interest = interest
  }

  /** Takes a request; says what it means for the outstanding response, if it means anything for it. */
  abstract request(request: Request): Verdict | undefined

  /** Takes from the dirty names what the next response tells; undefined if there is nothing to tell. */
  protected abstract plan(): Plan | undefined
  /** The version of the name that the client shows from an earlier stream; empty for none. */
  protected abstract shownVersion(name: string): string
  /** Lets the next response tell the time to live of the name again. */
  protected abstract renew(name: string): void
  /** Whether this form of the protocol can tell absence, and this client must be told it. */
  protected abstract tellsAbsence(isForced: boolean, toldVersion: string | undefined): boolean

  /** Something is to be told that is not told yet. */
  get isBehind(): boolean {
    return this.dirty.size > 0 || this.owesAnswer || this.renewals !== undefined
  }

  /** The resource changed, or came, or went. */
  changed(name: string): void {
    if (this.covers(name) && !this.dirty.has(name)) this.dirty.set(name, false)
  }

  /** Tells the name again, although it did not change; but nothing that the client refused. */
  resend(name: string): void {
    if (this.covers(name) && this.current(name) && !this.refuses(name)) this.need(name)
  }

  /** The time to live of a resource that the client has is to be told again. */
  renewalDue(name: string): void {
    const ttlMs = this.find(name)?.ttlMs
    if (ttlMs === undefined || !this.#interest.takesTtl || !this.covers(name)) return
    // What is new is told with its time to live; and what the client refused is not told again.
    if (!this.differs(name) && !this.ledger.isRejected(name)) this.renew(name)
  }

  /** Waits for the outstanding ACK no longer: what that response told is told again, with what is newer. */
  giveUpAck(): void {
    if (this.tellsFullState) this.owesAnswer = true
    for (const name of this.ledger.abandon()) if (this.covers(name)) this.need(name)
  }

  /** The next response, which is outstanding from then on; undefined while one is, or if nothing is due. */
  respond(nonce: string): Response | undefined {
    if (this.isOutstanding || !this.isBehind) return undefined
    // "I do not know yet" is silence, never an empty answer.
    if (this.source.isHeld(WILDCARD, this.shownVersion(WILDCARD))) return undefined
    // Never anything after the last unsubscribe.
    if (!this.isWildcard && this.names.size === 0) this.owesAnswer = false
    const plan = this.plan()
    if (!plan) return undefined
    const { resources, removed, renewed = NONE, unresolved = NONE, set, floor } = plan
    const told = renewed.length === 0 ? resources : [...resources, ...renewed]
    const absent = unresolved.length === 0 ? removed : [...removed, ...unresolved]
    const version = set?.version ?? versionOf(told)
    const changed = this.source.type.awaits ? this.#newAmong(resources) : NONE
    const telling = { nonce, version, resources: told, removed: absent, floor }
    this.ledger.tell(telling, this.source)
    this.owesAnswer = false
    const isTimed = this.#interest.takesTtl && resources.some(({ ttlMs }) => ttlMs !== undefined)
    return { nonce, version, resources, isTimed, renewed, removed, unresolved, changed, set }
  }

  /** Everything was told, and accepted. */
  get isSettled(): boolean {
    return !this.isOutstanding && !this.isBehind && !this.refusesAny
  }

  /** See Watcher.ackedRevision. */
  ackedRevision(name: string): number {
    if (name === WILDCARD) return this.isSettled ? Number.POSITIVE_INFINITY : -1
    return this.ledger.ackedRevision(name)
  }

  protected subscribe(name: string): void {
    this.ledger.uncover()
    const isNew = this.ask(name)
    if (name !== WILDCARD) {
      // Before it is watched: whoever waits for all ACKs must see that one more is due.
      for (const each of this.membersOf(name)) this.need(each)
      if (isNew) this.#interest.watch(name)
    } else if (isNew) {
      this.#interest.watch(WILDCARD)
      for (const each of this.source.names()) if (this.find(each)) this.need(each)
    }
  }

  /** Ends the interest in the name, or by WILDCARD in all that is not named; false if there was none. */
  protected unsubscribe(name: string): boolean {
    if (!this.unask(name)) return false
    const isOne = name !== WILDCARD && !isCollection(name)
    const left = isOne ? [name] : [name, ...this.ledger.names(), ...this.dirty.keys()]
    for (const each of left) this.#forgetUncovered(each)
    this.#interest.unwatch(name)
    return true
  }

  protected need(name: string): void {
    this.dirty.set(name, true)
  }

  /** Takes the dirty names apart into what to send, what to tell as absent and what the client knows already. */
  protected collect(): Plan | undefined {
    const resources: Resource[] = []
    const removed: string[] = []
    const unresolved: string[] = []
    let bytes = 0
    for (const [name, isForced] of this.dirty) {
      if (this.source.isHeld(name, this.shownVersion(name))) continue
      const resource = this.find(name) ?? (isForced ? this.substitute(name) : undefined)
      if (resource && (isForced || this.differs(name))) {
        bytes += resource.any.length
        if (bytes > RESPONSE_BYTES && resources.length > 0) break
        resources.push(resource)
      } else if (!resource && this.tellsAbsence(isForced, this.ledger.versionOf(name))) {
        const isAlias = this.source.type.absenceIsAlias && this.ledger.versionOf(name) === undefined
        if (isAlias) unresolved.push(name)
        else removed.push(name)
      } else this.#confirm(name)
      this.dirty.delete(name)
    }
    const renewed = this.#takeRenewals(resources)
    const count = resources.length + removed.length + unresolved.length + renewed.length
    return count === 0 && !this.owesAnswer ? undefined : { resources, renewed, removed, unresolved }
  }

  #newAmong(resources: readonly Resource[]): Resource[] {
    return resources.filter(({ name, version }) => this.ledger.versionOf(name) !== version)
  }

  /** Of those that are due: what still is as the client has it, and is not about to be told anyhow. */
  #takeRenewals(told: readonly Resource[]): readonly Resource[] {
    if (!this.renewals) return NONE
    const names = new Set(told.map(({ name }) => name))
    const renewed = Array.from(this.renewals).flatMap(name => {
      const isDue = !names.has(name) && this.covers(name) && !this.differs(name)
      return isDue ? (this.find(name) ?? []) : []
    })
    this.renewals = undefined
    return renewed
  }

  protected settle(nonce: string, error: RequestError | undefined): Verdict | undefined {
    const verdict = this.ledger.settle(nonce, error, this)
    if (!verdict || error) return verdict
    // What went while nothing covered it was marked by nobody.
    for (const name of verdict.names) if (this.differs(name)) this.changed(name)
    if (this.tellsFullState) this.#interest.settled(WILDCARD)
    else for (const name of verdict.names) this.#interest.settled(name)
    return verdict
  }

  /** It changed and changed back before it was sent: the client's ACK of that content stands. */
  #confirm(name: string): void {
    const isRenewed = !this.differs(name) && this.ledger.renew(name, this.source.revisionOf(name))
    if (isRenewed) this.#interest.settled(name)
  }

  /** The same for the full state. */
  protected renewAll(): void {
    if (this.ledger.renewAll(this.source.revision)) this.#interest.settled(WILDCARD)
  }

  #forgetUncovered(name: string): void {
    if (this.covers(name)) return
    this.ledger.forget(name)
    this.dirty.delete(name)
  }
}
