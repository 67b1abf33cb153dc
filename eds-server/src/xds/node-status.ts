/** Who is connected and what each client has: the views that operators read, gathered from the open streams. */

import type { Resource } from './resource.ts'

/** - `STALE`: sent, not ACKed; `NACKED`: refused as it is now; `NOT_SENT`: nothing was sent yet. */
export type PendingState = 'STALE' | 'NACKED' | 'NOT_SENT'

/** `DISCONNECTED`: its stream broke, and it is not back yet; meanwhile it keeps what it had. */
export type LaggardState = PendingState | 'DISCONNECTED'

/** Which of the clients that subscribe to one name have ACKed it. */
export interface AckReport {
  readonly subscribers: number
  readonly acked: number
  readonly pending: readonly PendingNode[]
}

export interface PendingNode {
  readonly node: string
  readonly cluster: string
  readonly state: LaggardState
}

export interface NodeView {
  readonly node: string
  readonly cluster: string
  /** Address and port of the client. */
  readonly peer: string
  /** ISO 8601. */
  readonly connectedAt: string
  /** One entry for each stream and type. */
  readonly types: readonly TypeView[]
}

export interface TypeView {
  readonly typeUrl: string
  /** `rest`: one who polls; shown until it has not polled for 15 s. */
  readonly protocol: 'sotw' | 'delta' | 'rest'
  readonly aggregated: boolean
  readonly state: 'SYNCED' | PendingState
  /** The version that the client ACKed last; empty before the first ACK. */
  readonly version: string
  /** How many names are subscribed; under a wildcard, how many there are. */
  readonly names: number
  /** ISO 8601. */
  readonly lastAckAt?: string
  /** The last refusal, until the client ACKs something newer. */
  readonly nack?: Nack
}

/** Names shown of a refused response. */
export const NACKED_NAMES = 20

export interface Nack {
  readonly version: string
  /** The resources of the response, of which at least one was refused; no more than 20. */
  readonly resources: readonly string[]
  readonly code: number
  /** For people: its text differs from client to client, and clients cut it. */
  readonly message: string
  /** ISO 8601. */
  readonly at: string
}

/** One resource as one client has it. */
export interface ResourceState {
  readonly name: string
  /** What is held for the client; undefined: there is no such resource. */
  readonly resource: Resource | undefined
  readonly state: 'SYNCED' | PendingState
}

/** The same, with what operators ask next. */
export interface ResourceStatus extends ResourceState {
  /** When the resource became what it is, wall time in milliseconds; undefined where nobody knows. */
  readonly changedAt: number | undefined
  /** Of a resource that the client refuses as it is: what it said. */
  readonly nack: Nack | undefined
}

/** What one client has of one type. */
export interface TypeStatus {
  readonly typeUrl: string
  readonly protocol: TypeView['protocol']
  readonly aggregated: boolean
  readonly resources: readonly ResourceStatus[]
}

/** One client, by node and connection; what it has is read when asked for. */
export interface ClientStatus {
  readonly node: ObservedNode
  readonly peer: string
  readonly connectedAt: Date
  types(): Iterable<TypeStatus>
}

/** What a client says of itself, as far as it is kept. */
export interface ObservedNode {
  readonly id: string
  readonly cluster: string
  readonly userAgent?: string
  readonly userAgentVersion?: string
  /** An encoded `google.protobuf.Struct`. */
  readonly metadataStruct?: Buffer | undefined
}

/** The part of a stream that is shown. */
export interface ObservedStream {
  /** Undefined until the first request has named the node. */
  readonly node: ObservedNode | undefined
  readonly peer: string
  readonly openedAt: Date
  views(): TypeView[]
  types(): Iterable<TypeStatus>
}

export class NodeStatus {
  readonly #streams = new Set<ObservedStream>()

  add(stream: ObservedStream): void {
    this.#streams.add(stream)
  }

  remove(stream: ObservedStream): void {
    this.#streams.delete(stream)
  }

  /** One view for each node and connection: a client with typed streams has several on one connection. */
  nodes(): NodeView[] {
    return this.#clients().map(([first, ...more]) => ({
      node: first.node.id,
      cluster: first.node.cluster,
      peer: first.peer,
      connectedAt: first.openedAt.toISOString(),
      types: [first, ...more].flatMap(stream => stream.views()),
    }))
  }

  /** The same clients, with each resource that they have. */
  clients(): ClientStatus[] {
    return this.#clients().map(streams => {
      const [{ node, peer, openedAt }] = streams
      return { node, peer, connectedAt: openedAt, types: () => typesOf(streams) }
    })
  }

  #clients(): Streams[] {
    const clients = new Map<string, [NamedStream, ...NamedStream[]]>()
    for (const stream of this.#streams) {
      if (!isNamed(stream)) continue
      const key = JSON.stringify([stream.node.id, stream.peer])
      const known = clients.get(key)
      if (known) known.push(stream)
      else clients.set(key, [stream])
    }
    return [...clients.values()]
  }
}

type NamedStream = ObservedStream & { readonly node: ObservedNode }
type Streams = readonly [NamedStream, ...NamedStream[]]

function isNamed(stream: ObservedStream): stream is NamedStream {
  return stream.node !== undefined
}

function* typesOf(streams: Streams): Generator<TypeStatus> {
  for (const stream of streams) yield* stream.types()
}
