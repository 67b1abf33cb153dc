/**
 * Fencing: what the registry remembers of lives that ended. Incarnations are numbered by one rising counter, so
 * a message of an ended life is known for ever by its number alone, with no memory per dead instance: absent
 * and issued = ended (410), never issued = unknown (404). The stones only add *why* a recent life ended, which
 * tells its holder whether to register again; the store keeps them over restarts, and the oldest are dropped first.
 */
import type { RollcallError } from '../errors.ts'
import type { Instance } from './instance.ts'
import { deregistered, expired, superseded, unknown } from './refusals.ts'

/** Why a life ended: its lease ran out, somebody deregistered it on purpose, or a newer life took over. */
export type EndedBy = 'expired' | 'deregistered' | 'superseded'

export interface Tombstone {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly endedBy: EndedBy
  /** Rises from burial to burial. */
  readonly order: number
}

const DEFAULT_KEPT = 100_000
const ENDED = { expired, deregistered, superseded }

export class Tombstones {
  /** Oldest first. */
  readonly #stones = new Map<string, Tombstone>()
  readonly #kept: number
  #lastIncarnation: number
  #lastOrder = 0

  /** `after`: incarnations issued from now on are larger than this. `stones`: of before, in any order. */
  constructor(after: number, stones: readonly Tombstone[] = [], kept: number = DEFAULT_KEPT) {
    this.#lastIncarnation = after
    this.#kept = kept
    for (const stone of [...stones].sort((a, b) => a.order - b.order)) this.#add(stone)
  }

  nextIncarnation(): number {
    this.#lastIncarnation += 1
    return this.#lastIncarnation
  }

  /** Returns the new stone, and the one that is dropped for it, if there is one. */
  bury(
    { service, instanceId, incarnation }: Instance,
    endedBy: EndedBy,
  ): { stone: Tombstone; dropped: Tombstone | undefined } {
    const stone = { service, instanceId, incarnation, endedBy, order: this.#lastOrder + 1 }
    this.#add(stone)
    return { stone, dropped: this.#dropOldest() }
  }

  /** The answer to a message for an instance that is not there. */
  absent(service: string, instanceId: string, incarnation: number | undefined): RollcallError {
    if (incarnation === undefined || incarnation > this.#lastIncarnation) return unknown(service, instanceId)
    const stone = this.#stones.get(nameOf(service, instanceId))
    // The stone of an earlier life says nothing of this one.
    if (stone === undefined || stone.incarnation < incarnation)
      return expired(service, instanceId, incarnation)
    if (stone.incarnation > incarnation) return superseded(service, instanceId, incarnation)
    return ENDED[stone.endedBy](service, instanceId, incarnation)
  }

  #add(stone: Tombstone): void {
    const name = nameOf(stone.service, stone.instanceId)
    this.#stones.delete(name)
    this.#stones.set(name, stone)
    this.#lastOrder = stone.order
  }

  #dropOldest(): Tombstone | undefined {
    if (this.#stones.size <= this.#kept) return undefined
    const [oldest] = this.#stones
    if (oldest) this.#stones.delete(oldest[0])
    return oldest?.[1]
  }
}

function nameOf(service: string, instanceId: string): string {
  return `${service}/${instanceId}`
}
