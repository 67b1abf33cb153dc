/**
 * Holds back what sends one client's traffic to clusters until that client has its clusters: Envoy
 * ACKs clusters only when they are warm, so their ACK says that they can be used. A client is one aggregated
 * stream, or all typed streams of one node at one address. A refusal opens the gate, and so does time: no other
 * client waits, and this one not for ever.
 */
import type { Clock, Timer } from '../clock.ts'

/** A stream of the client. */
export interface GatedStream {
  /** Clusters are to be sent, or were sent and not answered. */
  readonly isMaking: boolean
  flush(): void
}

/** Envoy's `initial_fetch_timeout`, after which it uses a cluster whatever is missing, and a margin. */
const LONGEST_MS = 20_000

export class ClientGate {
  readonly #clock: Clock
  readonly #streams = new Set<GatedStream>()
  readonly #isEmpty: () => void
  #timer: Timer | undefined
  #isOverdue = false

  constructor(clock: Clock, isEmpty: () => void = () => undefined) {
    this.#clock = clock
    this.#isEmpty = isEmpty
  }

  enter(stream: GatedStream): void {
    this.#streams.add(stream)
  }

  leave(stream: GatedStream): void {
    this.#streams.delete(stream)
    this.settle()
    if (this.#streams.size === 0) this.#isEmpty()
  }

  /** Asked by a stream that has something to hold back. */
  isClosed(): boolean {
    if (this.#isOverdue || !this.#isMaking()) return false
    this.#timer ??= this.#clock.setTimer(LONGEST_MS, () => {
      this.#isOverdue = true
      this.#flush()
    })
    return true
  }

  /** A stream of the client may have had its answer, or is gone. */
  settle(): void {
    if (!this.#timer || this.#isMaking()) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#isOverdue = false
    this.#flush()
  }

  #isMaking(): boolean {
    for (const stream of this.#streams) if (stream.isMaking) return true
    return false
  }

  #flush(): void {
    for (const stream of [...this.#streams]) stream.flush()
  }
}

/** The gates of typed streams, each for as long as one of them is open. */
export class ClientGates {
  readonly #clock: Clock
  readonly #gates = new Map<string, ClientGate>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `peer`: address and port; the streams of one client may come over several connections. */
  of(nodeId: string, peer: string): ClientGate {
    const key = JSON.stringify([nodeId, peer.slice(0, peer.lastIndexOf(':'))])
    let gate = this.#gates.get(key)
    if (!gate) {
      gate = new ClientGate(this.#clock, () => this.#gates.delete(key))
      this.#gates.set(key, gate)
    }
    return gate
  }

  /** The gate of an aggregated stream, which is a client by itself. */
  single(): ClientGate {
    return new ClientGate(this.#clock)
  }
}
