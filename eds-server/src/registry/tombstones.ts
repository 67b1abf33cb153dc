/**
 * Fencing: what the registry remembers of lives that ended. Incarnations are numbered by one rising counter, so
 * a message of an ended life is known for ever by its number alone, with no memory per dead instance: absent
 * and issued = ended (410), never issued = unknown (404). The stones only add *why* a recent life ended, which
 * tells its holder whether to register again; the oldest are dropped first.
 */
import type { RollcallError } from '../errors.ts'
import type { Instance } from './instance.ts'
import { deregistered, expired, superseded, unknown } from './refusals.ts'

/** Why a life ended: its lease ran out, somebody deregistered it on purpose, or a newer life took over. */
export type EndedBy = 'expired' | 'deregistered' | 'superseded'

const KEPT = 100_000
const ENDED = { expired, deregistered, superseded }

export class Tombstones {
  readonly #stones = new Map<string, { incarnation: number; endedBy: EndedBy }>()
  #lastIncarnation: number

  /** `after`: incarnations issued from now on are larger than this. */
  constructor(after: number) {
    this.#lastIncarnation = after
  }

  nextIncarnation(): number {
    this.#lastIncarnation += 1
    return this.#lastIncarnation
  }

  bury(instance: Instance, endedBy: EndedBy): void {
    const name = nameOf(instance.service, instance.instanceId)
    this.#stones.delete(name)
    this.#stones.set(name, { incarnation: instance.incarnation, endedBy })
    if (this.#stones.size <= KEPT) return
    const oldest = this.#stones.keys().next()
    if (!oldest.done) this.#stones.delete(oldest.value)
  }

  /** The answer to a message for an instance that is not there. */
  absent(service: string, instanceId: string, incarnation: number | undefined): RollcallError {
    if (incarnation === undefined || incarnation > this.#lastIncarnation) return unknown(service, instanceId)
    const stone = this.#stones.get(nameOf(service, instanceId))
    if (stone === undefined) return expired(service, instanceId, incarnation)
    if (stone.incarnation !== incarnation) return superseded(service, instanceId, incarnation)
    return ENDED[stone.endedBy](service, instanceId, incarnation)
  }
}

function nameOf(service: string, instanceId: string): string {
  return `${service}/${instanceId}`
}
