/** How many removals by expiry a sliding window allows (faults.md 2.2 rule 3): a share of what there is, never none. */
export interface BudgetTerms {
  readonly windowMs: number
  readonly share: number
  readonly atLeast: number
}

/** Of one service: 1 of 3 goes at once and the second within 10 s, so that a small service is not stuck (F32). */
export const SERVICE_BUDGET: BudgetTerms = { windowMs: 10_000, share: 0.15, atLeast: 1 }
/** Of the whole registry (F06). */
export const REGISTRY_BUDGET: BudgetTerms = { windowMs: 60_000, share: 0.15, atLeast: 3 }

export class RemovalBudget {
  readonly #terms: BudgetTerms
  #removedAt: number[] = []

  constructor(terms: BudgetTerms) {
    this.#terms = terms
  }

  /** `size`: how many there are now; those removed within the window count as if they still were. */
  allows(now: number, size: number): boolean {
    const { windowMs, share, atLeast } = this.#terms
    this.#removedAt = this.#removedAt.filter(at => now - at < windowMs)
    const limit = Math.max(atLeast, Math.floor(share * (size + this.#removedAt.length)))
    return this.#removedAt.length < limit
  }

  take(now: number): void {
    this.#removedAt.push(now)
  }
}
