/**
 * Holds back what sends one client's traffic to clusters until that client can use its clusters. A
 * client is one aggregated stream, or all typed streams of one node at one address. On an aggregated stream Envoy
 * ACKs clusters only when they are warm, so their ACK is enough; on typed streams it ACKs them at once, and they
 * are warm when it has accepted their endpoints too. A refusal opens the gate, and so does time: no other client
 * waits, and this one not for ever.
 */
import type { Clock, Timer } from '../clock.ts'
import { hostOf } from './peer.ts'

/** A stream of the client. */
export interface GatedStream {
  /** Clusters are to be sent, or were sent and not answered. */
  readonly isMaking: boolean
  flush(): void
}

/** Envoy's `initial_fetch_timeout`, after which it uses a cluster whatever is missing, and a margin. */
const LONGEST_MS = 20_000
/** For endpoints to be asked for and accepted: a client may have them from another server. */
const EXPECTED_MS = 5000

export class ClientGate {
  readonly #clock: Clock
  readonly #streams = new Set<GatedStream>()
  readonly #isEmpty: () => void
  /** Endpoints that clusters wait for, and whether they were told since. */
  #expected: Map<string, 'due' | 'told'> | undefined
  #expectedUntil = Number.NEGATIVE_INFINITY
  #closedSince: number | undefined
  #timer: Timer | undefined

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
    if (this.#streams.size > 0) return
    this.#timer?.cancel()
    this.#isEmpty()
  }

  /** Clusters were sent that can be used when these endpoints are accepted. */
  expect(names: readonly string[]): void {
    if (names.length === 0) return
    this.#expected ??= new Map()
    for (const name of names) this.#expected.set(name, 'due')
    this.#expectedUntil = this.#clock.now() + EXPECTED_MS
  }

  /** Endpoints were sent. */
  told(name: string): void {
    if (this.#expected?.has(name)) this.#expected.set(name, 'told')
  }

  /** Endpoints were accepted, or refused: what was sent before the clusters does not count. */
  answered(name: string): void {
    if (this.#expected?.get(name) === 'told') this.#expected.delete(name)
  }

  /** Asked by a stream that has something to hold back. */
  isClosed(): boolean {
    if (!this.#mustWait()) return false
    this.#closedSince ??= this.#clock.now()
    this.#timer ??= this.#setTimer(this.#closedSince)
    return true
  }

  /** Something may have been answered, or a stream is gone. */
  settle(): void {
    if (this.#closedSince === undefined) return
    const isOpening = this.#timer !== undefined
    this.#timer?.cancel()
    this.#timer = undefined
    // What it waits for may be another thing now, with a time of its own.
    if (this.#mustWait()) this.#timer = this.#setTimer(this.#closedSince)
    else {
      if (!this.#isMaking()) this.#closedSince = undefined
      if (isOpening) this.#open()
    }
  }

  #mustWait(): boolean {
    const now = this.#clock.now()
    if (this.#isMaking()) return now < (this.#closedSince ?? now) + LONGEST_MS
    return (this.#expected?.size ?? 0) > 0 && now < this.#expectedUntil
  }

  #setTimer(closedSince: number): Timer {
    const end = this.#isMaking() ? closedSince + LONGEST_MS : this.#expectedUntil
    return this.#clock.setTimer(end - this.#clock.now(), () => this.#open())
  }

  #open(): void {
    this.#timer = undefined
    for (const stream of [...this.#streams]) stream.flush()
  }

  #isMaking(): boolean {
    for (const stream of this.#streams) if (stream.isMaking) return true
    return false
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
    const key = JSON.stringify([nodeId, hostOf(peer)])
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
