/**
 * One discovery stream over any transport: routes requests to the watch of their type and sends what is due, in
 * make-before-break order, as fast as the client takes it. A bad request ends this stream and no other.
 */
import type { Timer } from '../clock.ts'
import type { CommonRequest, Node } from './discovery-request.ts'
import type { Response } from './discovery-response.ts'
import type { ObservedStream, TypeView } from './node-status.ts'
import { asRefusal, boundedNode, checkCount, checkNames, meantType } from './request-check.ts'
import { StallGuard } from './stall-guard.ts'
import { type Protocol, STATUS, type StreamContext, type Transport } from './stream-context.ts'
import { StreamLog } from './stream-log.ts'
import { StreamWatches } from './stream-watches.ts'
import type { Watch, WatchOwner } from './watch.ts'

export class XdsStream<Request extends CommonRequest> implements ObservedStream, WatchOwner {
  readonly openedAt: Date
  /** Called once, when the stream is closed for either side. */
  onClosed: (() => void) | undefined
  readonly #protocol: Protocol<Request>
  readonly #transport: Transport
  readonly #context: StreamContext
  /** Undefined on an aggregated stream, where each request names its type. */
  readonly #impliedTypeUrl: string | undefined
  readonly #isAggregated: boolean
  readonly #watches: StreamWatches<Request>
  #node: Node | undefined
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
    this.#isAggregated = impliedTypeUrl === undefined
    this.#watches = new StreamWatches(protocol, context, this)
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

  flush(): void {
    if (!this.#isAdmitted) return
    for (const watch of this.#watches.ordered) {
      if (!this.#isWritable || this.#isClosed) return
      const response = watch.respond(String(this.#sent + 1))
      if (!response) continue
      this.#send(watch, response)
      this.#watches.wake(watch, response)
    }
  }

  #handle(request: Request): void {
    this.#firstRequestTimer.cancel()
    this.#node ??= boundedNode(request.node)
    const typeUrl = meantType(request.typeUrl, this.#impliedTypeUrl)
    const cache = this.#context.caches.get(typeUrl)
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
    this.#leaveQueue ??= this.#context.admission.enter(() => {
      this.#isAdmitted = true
      this.flush()
    })
    this.flush()
  }

  #send(watch: Watch<Request>, response: Response): void {
    const { encoder, observer } = this.#context
    const typeUrl = watch.cache.type.typeUrl
    const message = this.#protocol.encode(encoder, typeUrl, response)
    this.#sent += 1
    this.#isWritable = this.#transport.write(message)
    if (!this.#isWritable) this.#stallGuard.written()
    observer.responseSent?.(typeUrl, this.#protocol.name, message.length)
  }

  /** A stream that closes before any response makes clients back off: an empty one means nothing. */
  #sayAnything(): void {
    const watch = this.#watches.silenceable()
    if (this.#sent > 0 || !watch || !this.#isWritable) return
    const nothing = { version: '', resources: [], removed: [], changed: [], set: undefined }
    this.#send(watch, { nonce: '1', ...nothing })
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
