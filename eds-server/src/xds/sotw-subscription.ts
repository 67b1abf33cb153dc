/** State of the world: each request carries the full list of names, and absence of a name unsubscribes. */
import type { DiscoveryRequest } from './discovery-request.ts'
import type { Verdict } from './ledger.ts'
import type { Resource } from './resource.ts'
import { WILDCARD } from './resource-cache.ts'
import { Subscription } from './subscription.ts'
import type { Plan } from './subscription-ports.ts'

export class SotwSubscription extends Subscription<DiscoveryRequest> {
  #isStarted = false
  #shownVersion = ''
  #hasNamed = false

  request(request: DiscoveryRequest): Verdict | undefined {
    const isFirst = !this.#isStarted
    this.#isStarted = true
    if (isFirst) this.#shownVersion = request.version
    // A nonce of an earlier stream or of a response before the last one settles nothing.
    const isLastNonce = request.nonce === this.ledger.lastNonce && !this.isOutstanding
    const verdict = this.settle(request.nonce, request.error)
    // The names count whatever the nonce: requests come in order, so these are the newest.
    const isSameNames = !this.#replaceNames(request.names)
    // It looks like a second ACK: how a client asks for what a warming cluster waits for.
    if (!isFirst && isLastNonce && isSameNames && !request.error) this.#repeat()
    return verdict
  }

  protected override get tellsFullState(): boolean {
    return this.source.type.fullStateInSotw
  }

  protected plan(): Plan | undefined {
    return this.tellsFullState ? this.#fullState() : this.collect()
  }

  protected shownVersion(): string {
    return this.#shownVersion
  }

  protected substitute(name: string): Resource | undefined {
    return this.source.placeholder(name)
  }

  /** With the resource: Envoy's client for this form takes a heartbeat without it for nothing at all. */
  protected renew(name: string): void {
    if (this.tellsFullState) this.owesAnswer = true
    else this.need(name)
  }

  protected tellsAbsence(): boolean {
    return false
  }

  /** Returns whether anything is different now. */
  #replaceNames(names: readonly string[]): boolean {
    const [only] = names
    // What nearly every ACK repeats.
    if (names.length === 1 && this.names.size === 1 && !this.isWildcard && this.names.has(only ?? ''))
      return false
    const wanted = new Set(names)
    // Without names everything is meant, until a name was given once on this stream.
    if (wanted.size > 0) this.#hasNamed = true
    else if (!this.#hasNamed && this.source.type.legacyWildcard) wanted.add(WILDCARD)
    let isDifferent = false
    for (const name of wanted) {
      if (this.names.has(name) || (name === WILDCARD && this.isWildcard)) continue
      // Full state answers even what it does not contain: absence is the answer.
      if (this.tellsFullState) this.owesAnswer = true
      this.subscribe(name)
      isDifferent = true
    }
    for (const name of [...this.names]) {
      if (!wanted.has(name) && this.unsubscribe(name)) isDifferent = true
    }
    if (!wanted.has(WILDCARD) && this.unsubscribe(WILDCARD)) isDifferent = true
    return isDifferent
  }

  #repeat(): void {
    // Nothing of a type with full state waits for such an answer: sending the same again would be noise.
    if (this.tellsFullState) return
    for (const name of this.isWildcard ? this.source.names() : this.names) this.resend(name)
  }

  #fullState(): Plan | undefined {
    const isDue = this.owesAnswer || Array.from(this.dirty.keys()).some(name => this.differs(name))
    // Every dirty name is in the full state that follows, or the client has it already.
    this.dirty.clear()
    if (!isDue) {
      this.renewAll()
      return undefined
    }
    const floor = this.source.revision
    const named = Array.from(this.names).flatMap(name => this.source.get(name) ?? [])
    if (!this.isWildcard) return { resources: named, removed: [], floor }
    const set = this.source.all()
    const beside = named.filter(({ isOnDemand }) => isOnDemand)
    if (beside.length > 0) return { resources: [...set.resources, ...beside], removed: [], floor }
    return { resources: set.resources, removed: [], set, floor }
  }
}
