/** Who is connected and what each client has: the views that operators read, gathered from the open streams. */

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
  /** The version that is held for the client; empty: there is no such resource. */
  readonly version: string
  readonly state: 'SYNCED' | PendingState
  /** What the client said to the newest response that it refused. */
  readonly error?: string
}

/** The part of a stream that is shown. */
export interface ObservedStream {
  /** Undefined until the first request has named the node. */
  readonly node: { readonly id: string; readonly cluster: string } | undefined
  readonly peer: string
  readonly openedAt: Date
  views(): TypeView[]
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
    const views = new Map<string, { view: NodeView; types: TypeView[] }>()
    for (const stream of this.#streams) {
      if (!stream.node) continue
      const key = JSON.stringify([stream.node.id, stream.peer])
      const known = views.get(key)
      if (known) known.types.push(...stream.views())
      else views.set(key, viewOf(stream, stream.node))
    }
    return Array.from(views.values(), ({ view }) => view)
  }
}

function viewOf(
  stream: ObservedStream,
  node: { id: string; cluster: string },
): { view: NodeView; types: TypeView[] } {
  const types = stream.views()
  const connectedAt = stream.openedAt.toISOString()
  return { view: { node: node.id, cluster: node.cluster, peer: stream.peer, connectedAt, types }, types }
}
