/** Incremental: requests change the subscription, and what does not exist is told by name. */
import type { DeltaDiscoveryRequest } from './discovery-request.ts'
import type { Verdict } from './ledger.ts'
import type { Resource } from './resource.ts'
import { WILDCARD } from './resource-cache.ts'
import { Subscription } from './subscription.ts'
import type { Plan } from './subscription-ports.ts'

export class DeltaSubscription extends Subscription<DeltaDiscoveryRequest> {
  #isStarted = false
  readonly #initialVersions = new Map<string, string>()

  request(request: DeltaDiscoveryRequest): Verdict | undefined {
    const isFirst = !this.#isStarted
    this.#isStarted = true
    const verdict = this.settle(request.nonce, request.error)
    // Changes of the subscription count whatever the nonce, subscribes before unsubscribes.
    const subscribes = this.#withLegacyWildcard(request.subscribe, isFirst)
    for (const name of subscribes) {
      if (name === WILDCARD && !this.isWildcard) this.owesAnswer = true
      this.subscribe(name)
    }
    if (isFirst) this.#recallAll(request.initialVersions)
    for (const name of request.unsubscribe) {
      const isHeldByWildcard = this.unsubscribe(name) && this.isWildcard
      // The client cannot know whether the wildcard still covers the name.
      if (isHeldByWildcard && name !== WILDCARD) this.need(name)
    }
    return verdict
  }

  protected plan(): Plan | undefined {
    return this.collect()
  }

  protected shownVersion(name: string): string {
    return this.#initialVersions.get(name) ?? ''
  }

  protected substitute(): Resource | undefined {
    return undefined
  }

  protected renew(name: string): void {
    this.renewals = (this.renewals ?? new Set()).add(name)
  }

  protected tellsAbsence(isForced: boolean, toldVersion: string | undefined): boolean {
    return isForced || toldVersion !== undefined
  }

  /** Only the first request can mean everything by naming nothing. */
  #withLegacyWildcard(names: readonly string[], isFirst: boolean): readonly string[] {
    const isLegacy = isFirst && names.length === 0 && this.source.type.legacyWildcard
    return isLegacy ? [WILDCARD] : names
  }

  /** A reconnecting client says what it has: the same version is not sent again and counts as ACKed. */
  #recallAll(versions: ReadonlyMap<string, string>): void {
    for (const [name, version] of versions) {
      // What it does not subscribe to is of no interest: it re-states all interest.
      if (!this.covers(name)) continue
      this.#initialVersions.set(name, version)
      this.ledger.recall(name, version)
      this.dirty.set(name, this.source.get(name) === undefined && this.dirty.get(name) === true)
      // Its time has been running since it was told on the stream before.
      this.renewalDue(name)
    }
  }
}
