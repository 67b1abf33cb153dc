/**
 * Follows the services of the registry and says what the policy makes of them. The first change is published at
 * once; while many services come, it rests between publications, so that a fleet that registers at once costs a few
 * of them and not one for each service.
 */
import type { Clock, Timer } from '../clock.ts'
import type { Registry } from '../registry/registry.ts'
import type { Document, Policy } from './policy.ts'
import { PolicyDocuments } from './policy-documents.ts'

export interface PolicySourceOptions {
  readonly policy: Policy
  readonly registry: Pick<Registry, 'services' | 'on'>
  readonly clock: Clock
  /** Takes everything that there is to be. Called at once with what is registered already. */
  readonly publish: (documents: readonly Document[]) => void
}

/** Of what a publication cost: so much is the rest, which bounds the policy to a quarter of the processor. */
const REST = 3

export class PolicySource {
  readonly #documents: PolicyDocuments
  readonly #options: PolicySourceOptions
  readonly #services: Set<string>
  readonly #unsubscribe: () => void
  #rest: Timer | undefined
  #isDue = false

  constructor(options: PolicySourceOptions) {
    this.#options = options
    this.#documents = new PolicyDocuments(options.policy)
    this.#services = new Set(options.registry.services())
    this.#unsubscribe = options.registry.on(({ instance: { service } }) => {
      // A service whose last instance has gone stays: its cluster answers 503 until the next one registers.
      if (this.#services.has(service)) return
      this.#services.add(service)
      this.#isDue = true
      if (!this.#rest) this.#publish()
    })
    this.#publish()
  }

  close(): void {
    this.#unsubscribe()
    this.#rest?.cancel()
  }

  #publish(): void {
    const { clock, publish } = this.#options
    this.#isDue = false
    const startedAt = clock.now()
    publish(this.#documents.of(this.#services))
    this.#rest = clock.setTimer(REST * (clock.now() - startedAt), () => {
      this.#rest = undefined
      if (this.#isDue) this.#publish()
    })
  }
}
