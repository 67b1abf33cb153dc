/**
 * What happens to a lease whose deadline has passed: it lapses, it ends, or it is looked at again a second later
 * because removing the instance now could do more harm than keeping it (faults.md 2.2 rules 2 to 4).
 */
import type { ExpiryWheel } from './expiry.ts'
import type { Holding } from './lease.ts'
import { REGISTRY_BUDGET, RemovalBudget, SERVICE_BUDGET } from './removal-budget.ts'
import type { SelfPreservation } from './self-preservation.ts'
import type { ServiceTable } from './service-table.ts'

export interface OverdueOptions {
  readonly table: ServiceTable
  readonly preservation: SelfPreservation
  readonly lapse: (held: Holding) => void
  readonly expire: (held: Holding) => void
}

const AGAIN_MS = 1000
/** With very many leases a second look each second would itself be the load. */
const LOOKS_PER_MS = 100
/** A lease that lapses so much later than it was due lapsed after a freeze. */
const LATE_MS = 1000
const KEPT_ANSWER_MS = 50

export class Overdue {
  readonly #options: OverdueOptions
  readonly #registryBudget = new RemovalBudget(REGISTRY_BUDGET)
  readonly #serviceBudgets = new Map<string, RemovalBudget>()
  readonly #alive = new Map<string, { readonly until: number; readonly witness: Holding | undefined }>()
  #postponed = 0

  constructor(options: OverdueOptions) {
    this.#options = options
  }

  /** Removals put off so far, each second look counted. */
  get postponed(): number {
    return this.#postponed
  }

  decide(held: Holding, wheel: ExpiryWheel<Holding>): void {
    const { preservation, lapse, expire } = this.#options
    const now = wheel.now()
    const { ttlMs = 0, lapsed } = held.instance
    if (preservation.isFrozen()) {
      this.#postpone(held, wheel, now)
    } else if (!lapsed) {
      // Told as suspect for as long as any other before it may go.
      if (now > held.renewedAt + ttlMs + LATE_MS) held.notBefore = now + ttlMs
      lapse(held)
    } else if (this.#mayGo(held, now)) {
      expire(held)
    } else {
      this.#postpone(held, wheel, now)
    }
  }

  #postpone(held: Holding, wheel: ExpiryWheel<Holding>, now: number): void {
    this.#postponed += 1
    held.notBefore = now + Math.max(AGAIN_MS, this.#options.table.instanceCount / LOOKS_PER_MS)
    wheel.schedule(held)
  }

  #mayGo(held: Holding, now: number): boolean {
    const { table, preservation } = this.#options
    const { service } = held.instance
    if (!this.#anotherIsAlive(service, now)) return false
    if (preservation.override === 'off') return true
    const budget = this.#serviceBudgets.get(service) ?? new RemovalBudget(SERVICE_BUDGET)
    const size = table.holdings(service)?.size ?? 0
    if (!budget.allows(now, size) || !this.#registryBudget.allows(now, table.instanceCount)) return false
    budget.take(now)
    this.#registryBudget.take(now)
    this.#serviceBudgets.set(service, budget)
    return true
  }

  /** Rule 2: expiry alone never empties a service (F42). One of before a restart is no witness until it beats (F28). */
  #anotherIsAlive(service: string, now: number): boolean {
    const known = this.#alive.get(service)
    if (known && now < known.until && (!known.witness || isAlive(known.witness)))
      return known.witness !== undefined
    const holdings = this.#options.table.holdings(service) ?? new Map<string, Holding>()
    let witness: Holding | undefined
    for (const each of holdings.values()) {
      if (!isAlive(each)) continue
      witness = each
      break
    }
    this.#alive.set(service, { until: now + KEPT_ANSWER_MS, witness })
    return witness !== undefined
  }
}

function isAlive({ instance, isConfirmed }: Holding): boolean {
  return !instance.lapsed && (instance.ttlMs === undefined || isConfirmed)
}
