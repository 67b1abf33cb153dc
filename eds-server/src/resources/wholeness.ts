/**
 * After a start: is what was found all that there was? A document that went wrong while nobody served it has no last
 * good version here, but clients have it: those of before are told nothing that could take it from them.
 */
import type { DocumentError } from './document-error.ts'

/** What that means for clients, in words for logs and warnings. */
export const NOT_WHOLE = 'clients of before are told no changes until every document is right'

export class Wholeness {
  readonly #errors: () => readonly DocumentError[]
  readonly #listeners: (() => void)[] = []
  #isWhole = false

  /** `errors`: what is wrong with documents at present. Not whole before the first `check`. */
  constructor(errors: () => readonly DocumentError[]) {
    this.#errors = errors
  }

  /** True for ever once everything was right: from then on what is wrong leaves in force what was right before. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** To be called when documents were read or errors have gone. */
  check(): void {
    if (this.#isWhole || this.#errors().length > 0) return
    this.#isWhole = true
    for (const listener of this.#listeners.splice(0)) listener()
  }

  /** Calls `listener` once, when it is whole; at once if it is. */
  onWhole(listener: () => void): void {
    if (this.#isWhole) listener()
    else this.#listeners.push(listener)
  }
}
