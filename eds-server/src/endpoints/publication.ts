/**
 * What a service's clients are told: the instances that are offered, and those that left and are told as UNHEALTHY
 * until that is ACKed. Changes are noted by address and looked up when the next assignment is encoded, so that
 * many changes of one instance are one.
 */
import type { RegistryEvent } from '../registry/changes.ts'
import { hostPort, type Instance, isOffered } from '../registry/instance.ts'
import type { Registry } from '../registry/registry.ts'
import { AssignmentBuilder } from './endpoint-builder.ts'
import type { Address } from './endpoint-list.ts'

/** An instance that left and is still told. */
export interface Withdrawal {
  readonly instance: Instance
  isTold: boolean
}

export class Publication {
  readonly service: string
  readonly #registry: Registry
  /** By address. */
  readonly #withdrawn = new Map<string, Withdrawal>()
  /** Where something changed that the builder does not know yet. */
  readonly #changed = new Map<string, Address>()
  /** Undefined: everything is to be looked up. */
  #builder: AssignmentBuilder | undefined

  constructor(service: string, registry: Registry) {
    this.service = service
    this.#registry = registry
  }

  /** Takes note of a change. A service that nobody watches needs no withdrawals, and keeps nothing encoded. */
  note({ type, instance, previous }: RegistryEvent, isWatched: boolean): void {
    const isRemoval = type === 'expired' || type === 'deregistered' || type === 'superseded'
    // An instance that came (back) to an address is no longer on its way out of it.
    if (!isRemoval) this.#withdrawn.delete(hostPort(instance))
    const left = isRemoval ? instance : leftAddress(instance, previous)
    if (left && isOffered(left) && isWatched) {
      this.#withdrawn.set(hostPort(left), { instance: left, isTold: false })
    }
    if (isWatched) {
      this.#touch(instance)
      if (left) this.#touch(left)
    } else {
      this.#builder = undefined
      this.#changed.clear()
    }
  }

  /** The assignment as it is to be told now. */
  encode(): Buffer {
    if (this.#builder) {
      for (const address of this.#changed.values()) this.#look(this.#builder, address)
    } else {
      this.#builder = new AssignmentBuilder(this.service)
      for (const instance of this.#registry.instances(this.service) ?? []) {
        if (isOffered(instance)) this.#builder.tell(instance)
      }
      for (const { instance } of this.#withdrawn.values()) this.#builder.tell(instance, true)
    }
    this.#changed.clear()
    return this.#builder.encode()
  }

  /** The withdrawals that are told for the first time since the last call. */
  newlyTold(): Withdrawal[] {
    const told = Array.from(this.#withdrawn.values()).filter(({ isTold }) => !isTold)
    for (const withdrawal of told) withdrawal.isTold = true
    return told
  }

  /** Tells these no more, unless another has taken the place since. */
  end(withdrawals: readonly Withdrawal[]): void {
    for (const withdrawal of withdrawals) {
      const { instance } = withdrawal
      const address = hostPort(instance)
      if (this.#withdrawn.get(address) !== withdrawal) continue
      this.#withdrawn.delete(address)
      this.#touch(instance)
    }
  }

  isWithdrawing(instanceId: string): boolean {
    return Array.from(this.#withdrawn.values()).some(({ instance }) => instance.instanceId === instanceId)
  }

  #touch({ address, port }: Address): void {
    if (this.#builder) this.#changed.set(hostPort({ address, port }), { address, port })
  }

  #look(builder: AssignmentBuilder, { address, port }: Address): void {
    const withdrawal = this.#withdrawn.get(hostPort({ address, port }))
    const present = this.#registry.at(this.service, address, port)
    if (withdrawal) builder.tell(withdrawal.instance, true)
    else if (present && isOffered(present)) builder.tell(present)
    else builder.forget({ address, port })
  }
}

/** The instance as it was, when it has moved to another address; clients see that as one host leaving. */
function leftAddress(instance: Instance, previous: Instance | undefined): Instance | undefined {
  return previous && hostPort(previous) !== hostPort(instance) ? previous : undefined
}
