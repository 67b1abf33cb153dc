/**
 * Joins discovery responses from parts that are encoded already, into messages framed for gRPC. All of a response but
 * its nonce is the same on every stream and kept beside the resource; protobuf fields may come in any order, so
 * the nonce goes last.
 */
import { PREFIX_BYTES } from './message-reader.ts'
import type { Resource } from './resource.ts'
import type { ResourceSet } from './resource-cache.ts'
import { heartbeat, sotwAny, unresolved, wrapped } from './resource-wrapper.ts'
import { bytesField, stringField } from './wire.ts'

/** What is next to tell the client, unframed. */
export interface Response {
  readonly nonce: string
  readonly version: string
  readonly resources: readonly Resource[]
  /** The client is told the time to live of those of `resources` that have one. */
  readonly isTimed: boolean
  /** Delta only: resources that the client has, told by name, version and time to live alone. */
  readonly renewed: readonly Resource[]
  /** Delta only: names that the client must know not to exist. */
  readonly removed: readonly string[]
  /** Delta only: names that lead to nothing, told as aliases of nothing. */
  readonly unresolved: readonly string[]
  /** Those of `resources` whose content is new to this stream; none where nothing waits for that. */
  readonly changed: readonly Resource[]
  /** The shared set that `resources` is, where it is one: its encoding can be shared too. */
  readonly set: ResourceSet | undefined
}

export const NOTHING: Response = {
  nonce: '',
  version: '',
  resources: [],
  isTimed: false,
  renewed: [],
  removed: [],
  unresolved: [],
  changed: [],
  set: undefined,
}

const SOTW = { VERSION: 1, RESOURCES: 2, TYPE_URL: 4, NONCE: 5, CONTROL_PLANE: 6 } as const
const DELTA = { VERSION: 1, RESOURCES: 2, TYPE_URL: 4, NONCE: 5, REMOVED: 6, CONTROL_PLANE: 7 } as const

/** One per server: `identifier` tells clients which one answers. */
export class ResponseEncoder {
  readonly #controlPlane: Buffer
  readonly #sotwBodies = new Bodies()
  readonly #deltaBodies = new Bodies()
  /** By body: the message that it was framed in last. */
  readonly #newest = new WeakMap<Buffer, { readonly nonce: string; readonly message: Buffer }>()

  constructor(identifier: string) {
    this.#controlPlane = stringField(1, identifier)
  }

  sotw(typeUrl: string, response: Response): Buffer {
    const { isTimed } = response
    const body = this.#sotwBodies.of(response, () =>
      Buffer.concat([
        stringField(SOTW.VERSION, response.version),
        stringField(SOTW.TYPE_URL, typeUrl),
        bytesField(SOTW.CONTROL_PLANE, this.#controlPlane),
        ...response.resources.map(resource => bytesField(SOTW.RESOURCES, sotwAny(resource, isTimed))),
      ]),
    )
    return this.#withNonce(body, [], SOTW.NONCE, response.nonce)
  }

  delta(typeUrl: string, response: Response): Buffer {
    const { isTimed } = response
    const body = this.#deltaBodies.of(response, () =>
      Buffer.concat([
        stringField(DELTA.VERSION, response.version),
        stringField(DELTA.TYPE_URL, typeUrl),
        bytesField(DELTA.CONTROL_PLANE, this.#controlPlane),
        ...response.resources.map(resource => bytesField(DELTA.RESOURCES, wrapped(resource, isTimed))),
      ]),
    )
    const others = [
      ...response.renewed.map(resource => bytesField(DELTA.RESOURCES, heartbeat(resource))),
      ...response.unresolved.map(name => bytesField(DELTA.RESOURCES, unresolved(name))),
      ...response.removed.map(name => stringField(DELTA.REMOVED, name)),
    ]
    return this.#withNonce(body, others, DELTA.NONCE, response.nonce)
  }

  /** Streams that have had equally many responses share the whole message and not only its body. */
  #withNonce(body: Buffer, others: readonly Buffer[], field: number, nonce: string): Buffer {
    if (others.length > 0) return framed([body, ...others, stringField(field, nonce)])
    const newest = this.#newest.get(body)
    if (newest?.nonce === nonce) return newest.message
    const message = framed([body, stringField(field, nonce)])
    this.#newest.set(body, { nonce, message })
    return message
  }
}

/** Not compressed, and of this length. */
function framed(parts: readonly Buffer[]): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(
    parts.reduce((sum, { length }) => sum + length, 0),
    1,
  )
  return Buffer.concat([prefix, ...parts])
}

/** What was encoded before, kept beside its one resource or its shared set; other combinations are too many to keep. */
class Bodies {
  readonly #plain = new WeakMap<object, Buffer>()
  /** With the times to live. */
  readonly #timed = new WeakMap<object, Buffer>()

  of({ set, resources, isTimed, renewed }: Response, encode: () => Buffer): Buffer {
    const key = set ?? (resources.length === 1 ? resources[0] : undefined)
    // The version counts what is renewed, too.
    if (!key || renewed.length > 0) return encode()
    const bodies = isTimed ? this.#timed : this.#plain
    let body = bodies.get(key)
    if (!body) {
      body = encode()
      bodies.set(key, body)
    }
    return body
  }
}
