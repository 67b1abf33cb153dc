/**
 * One discovery stream over any transport: routes requests to the watch of their type and sends what is due, in
 * make-before-break order, as fast as the client takes it. A bad request ends this stream and no other.
 */
import type { Timer } from '../clock.ts'
import type { Caches, Member } from './cache-groups.ts'
import type { ClientGate, GatedStream } from './client-gate.ts'
import type { CommonRequest, Node } from './discovery-request.ts'
import { NOTHING, type Response } from './discovery-response.ts'
import type { ObservedStream, TypeStatus, TypeView } from './node-status.ts'
import { asRefusal, boundedNode, checkCount, checkNames, meantType, Refusal } from './request-check.ts'
import { CLUSTER } from './resource-type.ts'
import { isLoopbackPeer, SECRETS_WITHHELD } from './secrecy.ts'
import { StallGuard } from './stall-guard.ts'
import { type Protocol, STATUS, type StreamContext, type Transport } from './stream-context.ts'
import { StreamLog } from './stream-log.ts'
import { StreamWatches } from './stream-watches.ts'
import type { Watch, WatchOwner } from './watch.ts'

/** What clusters wait for. */
const AWAITED = CLUSTER.awaits?.typeUrl

export class XdsStream<Request extends CommonRequest>
  implements ObservedStream, WatchOwner, Member, GatedStream
{
  readonly openedAt: Date
  /** Called once, when the stream is closed for either side. */
  onClosed: (() => void) | undefined
  readonly #protocol: Protocol<Request>
  readonly #transport: Transport
  readonly #context: StreamContext
  readonly #impliedTypeUrl: string | undefined
  readonly #isAggregated: boolean
  readonly #watches: StreamWatches<Request>
  #node: Node | undefined
  /** Those of the node's group; none before the first request. */
  #caches: Caches = new Map()
  #gate: ClientGate | undefined
  #leaveGroup: (() => void) | undefined
  #sent = 0
  #isWritable = true
  /** Something may be due that waits for the client to take what was written. */
  #isHeldBack = false
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
    this.#isAggregated = impliedTypeUrl === undefined
    this.#watches = new StreamWatches(protocol, this)
    this.openedAt = context.clock.wallTime()
    this.#log = new StreamLog(context, protocol.name, () => ({ node: this.nodeId, peer: this.peer }))
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

  get takesTtl(): boolean {
    return this.#node !== undefined && this.#protocol.takesTtl(this.#node.features)
  }

  get nodeCluster(): string {
    return this.#node?.cluster ?? ''
  }

  wallTime(): Date {
    return this.#context.clock.wallTime()
  }

  views(): TypeView[] {
    return this.#watches.views(this.#isAggregated)
  }

  get unreadField(): number | undefined {
    return this.#node ? this.#protocol.nodeField : undefined
  }

  types(): Iterable<TypeStatus> {
    return this.#watches.statuses(this.#isAggregated)
  }

  /** Takes one request off the wire. */
  receive(bytes: Buffer): void {
    if (this.#isClosed) return
    try {
      this.#handle(this.#protocol.decode(bytes, this.#node === undefined))
    } catch (error) {
      const refusal = asRefusal(error)
      // A bug of ours costs this client its stream, and no other client anything.
      if (!refusal) this.#log.bug(error)
      this.#end(refusal?.code ?? STATUS.INTERNAL, refusal?.message ?? 'the request could not be handled')
    }
  }

  /** The client has taken everything that was written. */
  drained(): void {
    this.#isWritable = true
    this.#stallGuard.taken()
    // Most often nothing was held back: then the stream is left in peace, a thousand of them at each change.
    if (!this.#isHeldBack) return
    this.#isHeldBack = false
    this.flush()
  }

  /** The client has ended the stream in due form: it wants nothing any more. */
  left(): void {
    this.#close(watch => watch.close())
  }

  /** The stream broke, or we ended it: the client keeps what it has, and comes back. */
  closed(): void {
    this.#close(watch => watch.lose())
  }

  #close(leave: (watch: Watch<Request>) => void): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#firstRequestTimer.cancel()
    this.#leaveQueue?.()
    this.#stallGuard.close()
    for (const watch of this.#watches.ordered) leave(watch)
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
    this.left()
    this.#transport.end(STATUS.UNAVAILABLE, 'the server is stopping')
  }

  get isMaking(): boolean {
    return this.#watches.isMaking
  }

  released(): void {
    this.flush()
  }

  moved(caches: Caches): void {
    this.#caches = caches
    this.#watches.moved(caches)
  }

  flush(): void {
    if (!this.#isAdmitted) return
    this.#sendDue()
    this.#gate?.settle()
  }

  #sendDue(): void {
    for (const watch of this.#watches.ordered) {
      if (this.#isClosed) return
      if (!this.#isWritable) {
        this.#isHeldBack = true
        return
      }
      if (this.#mustWait(watch)) continue
      const response = watch.respond(String(this.#sent + 1))
      if (!response) continue
      this.#send(watch, response)
      const awaited = this.#watches.wake(watch, response)
      if (!this.#isAggregated) this.#gate?.expect(awaited)
    }
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
    const watch = this.#watches.of(cache)
    const verdict = watch.request(request)
    checkCount(watch.subscription.names.size, this.#context.limits)
    if (verdict) this.#log.verdict(typeUrl, verdict)
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
    this.#log.secretsWithheld(typeUrl)
    if (!this.#isAggregated) throw new Refusal(STATUS.PERMISSION_DENIED, SECRETS_WITHHELD)
  }

  /** The first request says who the client is, and with that which caches are its own. */
  #introduce(node: Node | undefined): void {
    const { groups, gates } = this.#context
    const known = boundedNode(node)
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

  /** A stream that closes before any response makes clients back off: an empty one means nothing. */
  #sayAnything(): void {
    const watch = this.#watches.silenceable()
    if (this.#sent > 0 || !watch || !this.#isWritable) return
    this.#send(watch, { ...NOTHING, nonce: '1' })
  }

  #closeStalled(): void {
    const { limits } = this.#context
    this.#log.stalled(limits.stalledMs)
    this.#end(STATUS.UNAVAILABLE, `no response taken for ${limits.stalledMs} ms`, true)
  }

  #end(code: number, details: string, isStalled = false): void {
    if (this.#isClosed) return
    this.closed()
    this.#transport.end(code, details, isStalled)
  }
}
