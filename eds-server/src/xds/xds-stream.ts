/**
 * One discovery stream over any transport: routes requests to the watch of their type and sends what is due, in
 * make-before-break order, as fast as the client takes it. A bad request ends this stream and no other.
 */
import type { Timer } from '../clock.ts'
import type { Caches, Member } from './cache-groups.ts'
import type { ClientGate, GatedStream } from './client-gate.ts'
import type { CommonRequest, Node } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { Verdict } from './ledger.ts'
import type { ObservedStream, TypeStatus, TypeView } from './node-status.ts'
import { checkCount, checkNames, meantType, Refusal } from './request-check.ts'
import type { ResourceCache } from './resource-cache.ts'
import { CLUSTER, RESOURCE_TYPES } from './resource-type.ts'
import { isLoopbackPeer, SECRETS_WITHHELD } from './secrecy.ts'
import { StallGuard } from './stall-guard.ts'
import { type Protocol, STATUS, type StreamContext, type Transport } from './stream-context.ts'
import { StreamLog } from './stream-log.ts'
import { Watch, type WatchOwner } from './watch.ts'
import { MalformedMessage } from './wire-reader.ts'

/** What clusters wait for. */
const AWAITED = CLUSTER.awaits?.typeUrl

/** A node id is any text; what is kept of it is bounded. */
const KEPT_TEXT = 1024
/** Of larger metadata nothing is kept, and no operator can choose a node by it. */
const KEPT_METADATA = 16 * 1024

export class XdsStream<Request extends CommonRequest>
  implements ObservedStream, WatchOwner, Member, GatedStream
{
  readonly openedAt: Date
  /** Called once, when the stream is closed for either side. */
  onClosed: (() => void) | undefined
  readonly #protocol: Protocol<Request>
  readonly #transport: Transport
  readonly #context: StreamContext
  /** Undefined on an aggregated stream, where each request names its type. */
  readonly #impliedTypeUrl: string | undefined
  readonly #watches = new Map<string, Watch<Request>>()
  #ordered: readonly Watch<Request>[] = []
  #node: Node | undefined
  /** Those of the node's group; none before the first request. */
  #caches: Caches = new Map()
  #gate: ClientGate | undefined
  #leaveGroup: (() => void) | undefined
  #sent = 0
  #isWritable = true
  #isClosed = false
  #isAdmitted = false
  #leaveQueue: (() => void) | undefined
  readonly #firstRequestTimer: Timer
  readonly #stallGuard: StallGuard
  readonly #log: StreamLog

  constructor(
    protocol: Protocol<Request>,
    transport: Transport,
    context: StreamContext,
    impliedTypeUrl: string | undefined,
  ) {
    this.#protocol = protocol
    this.#transport = transport
    this.#context = context
    this.#impliedTypeUrl = impliedTypeUrl
    this.openedAt = context.clock.wallTime()
    this.#log = new StreamLog(context.logger, () => ({ node: this.nodeId, peer: this.peer }))
    const { firstRequestMs, stalledMs } = context.limits
    this.#stallGuard = new StallGuard(context.clock, stalledMs, () => this.#closeStalled())
    this.#firstRequestTimer = context.clock.setTimer(firstRequestMs, () =>
      this.#end(STATUS.DEADLINE_EXCEEDED, `no request within ${firstRequestMs} ms`),
    )
    context.status.add(this)
    context.observer.streamOpened?.(protocol.name, this.#isAggregated)
  }

  get peer(): string {
    return this.#transport.peer
  }

  get node(): Node | undefined {
    return this.#node
  }

  get nodeId(): string {
    return this.#node?.id ?? ''
  }

  get nodeCluster(): string {
    return this.#node?.cluster ?? ''
  }

  wallTime(): Date {
    return this.#context.clock.wallTime()
  }

  views(): TypeView[] {
    return this.#ordered.map(watch => watch.view(this.#protocol.name, this.#isAggregated))
  }

  *types(): Generator<TypeStatus> {
    for (const watch of this.#ordered) yield watch.status(this.#protocol.name, this.#isAggregated)
  }

  /** Takes one request off the wire. */
  receive(bytes: Buffer): void {
    if (this.#isClosed) return
    try {
      this.#handle(this.#protocol.decode(bytes, this.#node === undefined))
    } catch (error) {
      if (error instanceof Refusal) this.#end(error.code, error.message)
      else if (error instanceof MalformedMessage) {
        this.#end(STATUS.INVALID_ARGUMENT, `malformed request: ${error.message}`)
      } else {
        // A bug of ours costs this client its stream, and no other client anything.
        this.#log.bug(error)
        this.#end(STATUS.INTERNAL, 'the request could not be handled')
      }
    }
  }

  /** The client has taken everything that was written. */
  drained(): void {
    this.#isWritable = true
    this.#stallGuard.taken()
    this.flush()
  }

  /** The client has gone, or the stream has ended. */
  closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#firstRequestTimer.cancel()
    this.#leaveQueue?.()
    this.#stallGuard.close()
    for (const watch of this.#ordered) watch.close()
    this.#leaveGroup?.()
    this.#gate?.leave(this)
    this.#context.status.remove(this)
    this.#context.observer.streamClosed?.(this.#protocol.name, this.#isAggregated)
    this.onClosed?.()
  }

  /** Ends the stream because the server stops: UNAVAILABLE, which clients take for a restart. */
  stop(): void {
    if (this.#isClosed) return
    this.#sayAnything()
    this.#end(STATUS.UNAVAILABLE, 'the server is stopping')
  }

  get isMaking(): boolean {
    const subscription = this.#watches.get(CLUSTER.typeUrl)?.subscription
    return subscription !== undefined && (subscription.isOutstanding || subscription.isBehind)
  }

  released(): void {
    this.flush()
  }

  moved(caches: Caches): void {
    this.#caches = caches
    for (const watch of this.#ordered) {
      const cache = caches.get(watch.cache.type.typeUrl)
      if (cache) watch.move(cache)
    }
  }

  flush(): void {
    if (!this.#isAdmitted) return
    this.#sendDue()
    this.#gate?.settle()
  }

  #sendDue(): void {
    for (const watch of this.#ordered) {
      if (!this.#isWritable || this.#isClosed) return
      if (this.#mustWait(watch)) continue
      const response = watch.respond(String(this.#sent + 1))
      if (!response) continue
      this.#send(watch, response)
      this.#wake(watch, response)
    }
  }

  get #isAggregated(): boolean {
    return this.#impliedTypeUrl === undefined
  }

  #handle(request: Request): void {
    this.#firstRequestTimer.cancel()
    if (!this.#node) this.#introduce(request.node)
    const typeUrl = meantType(request.typeUrl, this.#impliedTypeUrl)
    const cache = this.#caches.get(typeUrl)
    if (cache?.type.isConfidential && !isLoopbackPeer(this.peer)) {
      this.#withhold(typeUrl)
      return
    }
    if (!cache) {
      // Not an error: silence lets the client keep what it has of the type.
      this.#log.silence(typeUrl)
      return
    }
    checkNames(this.#protocol.namesIn(request), this.#context.limits)
    const watch = this.#watches.get(typeUrl) ?? this.#open(cache)
    const verdict = watch.request(request)
    checkCount(watch.subscription.names.size, this.#context.limits)
    if (verdict) this.#note(typeUrl, verdict)
    if (typeUrl === AWAITED) for (const name of verdict?.names ?? []) this.#gate?.answered(name)
    this.#leaveQueue ??= this.#context.admission.enter(() => {
      this.#isAdmitted = true
      this.flush()
    })
    this.flush()
  }

  /**
   * Nothing here is encrypted: beyond loopback a secret could be read on the way (F62). What else an aggregated stream
   * carries goes on.
   */
  #withhold(typeUrl: string): void {
    this.#context.observer.secretsWithheld?.()
    this.#log.secretsWithheld(typeUrl)
    if (!this.#isAggregated) throw new Refusal(STATUS.PERMISSION_DENIED, SECRETS_WITHHELD)
  }

  /** The first request says who the client is, and with that which caches are its own. */
  #introduce(node: Node | undefined): void {
    const { groups, gates } = this.#context
    const known = bounded(node)
    this.#leaveGroup = groups.join(node ?? known, this)
    this.#caches = groups.cachesFor(node ?? known)
    this.#gate = this.#isAggregated ? gates.single() : gates.of(known.id, this.peer)
    this.#gate.enter(this)
    this.#node = known
  }

  /** What refers to clusters waits for them; and not what clusters wait for, endpoints above all. */
  #mustWait({ cache, subscription }: Watch<Request>): boolean {
    if (!cache.type.refersToClusters || !subscription.isBehind) return false
    return this.#gate?.isClosed() ?? false
  }

  #open(cache: ResourceCache): Watch<Request> {
    const watch = new Watch<Request>(cache, this, (source, interest) =>
      this.#protocol.subscribe(source, interest),
    )
    this.#watches.set(cache.type.typeUrl, watch)
    this.#ordered = RESOURCE_TYPES.flatMap(({ typeUrl }) => this.#watches.get(typeUrl) ?? [])
    return watch
  }

  #note(typeUrl: string, verdict: Verdict): void {
    const { observer } = this.#context
    if (verdict.error) {
      observer.nacked?.(typeUrl, this.#protocol.name)
      this.#log.nack(typeUrl, verdict)
    } else {
      observer.acked?.(typeUrl, this.#protocol.name)
    }
  }

  #send(watch: Watch<Request>, response: Response): void {
    const { encoder, observer } = this.#context
    const typeUrl = watch.cache.type.typeUrl
    const message = this.#protocol.encode(encoder, typeUrl, response)
    this.#sent += 1
    this.#isWritable = this.#transport.write(message)
    if (!this.#isWritable) this.#stallGuard.written()
    observer.responseSent?.(typeUrl, this.#protocol.name, message.length)
    if (typeUrl === AWAITED) for (const { name } of response.resources) this.#gate?.told(name)
  }

  /** Sends again what the changed resources wait for, without waiting for their ACK: that comes after. */
  #wake(watch: Watch<Request>, response: Response): void {
    const { awaits } = watch.cache.type
    if (!awaits) return
    const names = response.changed.flatMap(({ any }) => awaits.nameOf(any) ?? [])
    const awaited = this.#watches.get(awaits.typeUrl)
    for (const name of names) awaited?.subscription.resend(name)
    if (!this.#isAggregated) this.#gate?.expect(names)
  }

  /** A stream that closes before any response makes clients back off: an empty one means nothing. */
  #sayAnything(): void {
    // To SotW clients of a type with full state an empty response means "delete all".
    const watch = this.#ordered.find(
      ({ cache }) => this.#protocol.name === 'delta' || !cache.type.fullStateInSotw,
    )
    if (this.#sent > 0 || !watch || !this.#isWritable) return
    const nothing = { version: '', resources: [], removed: [], changed: [], set: undefined }
    this.#send(watch, { nonce: '1', ...nothing })
  }

  #closeStalled(): void {
    const { limits, observer } = this.#context
    observer.slowClientClosed?.()
    this.#log.stalled(limits.stalledMs)
    this.#end(STATUS.UNAVAILABLE, `no response taken for ${limits.stalledMs} ms`, true)
  }

  #end(code: number, details: string, isStalled = false): void {
    if (this.#isClosed) return
    this.closed()
    this.#transport.end(code, details, isStalled)
  }
}

function bounded(node: Node | undefined): Node {
  const struct = node?.metadataStruct
  const cut = (text: string | undefined): string => (text ?? '').slice(0, KEPT_TEXT)
  return {
    id: cut(node?.id),
    cluster: cut(node?.cluster),
    userAgent: cut(node?.userAgent),
    userAgentVersion: cut(node?.userAgentVersion),
    // A copy: the request around it is 61 KB.
    metadataStruct: struct && struct.length <= KEPT_METADATA ? Buffer.from(struct) : undefined,
  }
}
