/**
 * The endpoints of one locality in the order that equal content always has, joined block by block: a change of
 * one endpoint joins its block again and copies the others, however many there are.
 */
import type { Instance } from '../registry/instance.ts'
import type { EncodedEndpoint } from './endpoint.ts'
import { countBefore } from './sorted.ts'

export type Address = Pick<Instance, 'address' | 'port'>

interface Listed {
  readonly instance: Instance
  readonly bytes: EncodedEndpoint
}

interface Block {
  /** Sorted, and never empty. */
  readonly endpoints: Listed[]
  /** The bytes of them all; undefined after a change. */
  joined: Buffer | undefined
}

/** Endpoints of a block at most: joining one costs about as much as copying a hundred. */
const BLOCK_MAX = 128

export class EndpointList {
  readonly #blocks: Block[] = []
  #weight = 0

  /** The sum of the weights. */
  get weight(): number {
    return this.#weight
  }

  get isEmpty(): boolean {
    return this.#blocks.length === 0
  }

  /** Adds the endpoint, in place of the one at its address if there is one. */
  put(instance: Instance, bytes: EncodedEndpoint): void {
    const block = this.#blocks[this.#blockOf(instance)] ?? this.#firstBlock()
    const { endpoints } = block
    const index = placeIn(endpoints, instance)
    const present = endpoints[index]
    const isThere = present !== undefined && compareAddresses(present.instance, instance) === 0
    endpoints.splice(index, isThere ? 1 : 0, { instance, bytes })
    this.#weight += instance.weight - (isThere ? present.instance.weight : 0)
    block.joined = undefined
    if (endpoints.length > BLOCK_MAX) this.#split(block)
  }

  /** Removes what is at the address, if anything is. */
  remove(address: Address): void {
    const at = this.#blockOf(address)
    const block = this.#blocks[at]
    if (!block) return
    const index = placeIn(block.endpoints, address)
    const present = block.endpoints[index]
    if (!present || compareAddresses(present.instance, address) !== 0) return
    block.endpoints.splice(index, 1)
    block.joined = undefined
    this.#weight -= present.instance.weight
    if (block.endpoints.length === 0) this.#blocks.splice(at, 1)
  }

  /** The encoded endpoints, in a few pieces. */
  encoded(): Buffer[] {
    return this.#blocks.map(block => {
      block.joined ??= Buffer.concat(block.endpoints.map(({ bytes }) => bytes))
      return block.joined
    })
  }

  /** The index of the block that the address is in or belongs in. */
  #blockOf(address: Address): number {
    const isBefore = ({ endpoints: [first] }: Block): boolean =>
      first !== undefined && compareAddresses(first.instance, address) <= 0
    return Math.max(0, countBefore(this.#blocks, isBefore) - 1)
  }

  #firstBlock(): Block {
    const block: Block = { endpoints: [], joined: undefined }
    this.#blocks.push(block)
    return block
  }

  #split(block: Block): void {
    const second = block.endpoints.splice(block.endpoints.length >> 1)
    this.#blocks.splice(this.#blocks.indexOf(block) + 1, 0, { endpoints: second, joined: undefined })
  }
}

function placeIn(endpoints: readonly Listed[], address: Address): number {
  return countBefore(endpoints, ({ instance }) => compareAddresses(instance, address) < 0)
}

function compareAddresses(a: Address, b: Address): number {
  if (a.address === b.address) return a.port - b.port
  return a.address < b.address ? -1 : 1
}
