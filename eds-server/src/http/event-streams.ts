/**
 * The open event streams (server-sent events). An event is written as text once and shared. A reader that is
 * slower than the registry loses its connection, never the server its memory: the reader reads the present state
 * and connects again.
 */
import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../clock.ts'
import { RollcallError } from '../errors.ts'
import type { RegistryEvent } from '../registry/changes.ts'
import type { Registry } from '../registry/registry.ts'
import { instanceView } from './views.ts'

/** What may wait for one reader, bytes, before its connection is dropped. */
const BACKLOG_MAX = 256 * 1024
const STREAMS_MAX = 1_000
/** Keeps proxies from taking a quiet stream for a dead one. */
const COMMENT_INTERVAL_MS = 15_000

interface Stream {
  readonly response: ServerResponse
  /** Undefined: all services. */
  readonly service: string | undefined
}

export class EventStreams {
  readonly #clock: Clock
  readonly #streams = new Set<Stream>()
  readonly #unsubscribe: () => void
  #sequence = 0
  #timer: Timer | undefined
  #isClosed = false

  constructor({ registry, clock }: { registry: Registry; clock: Clock }) {
    this.#clock = clock
    this.#unsubscribe = registry.on(event => this.#publish(event))
  }

  get size(): number {
    return this.#streams.size
  }

  /** Takes over a response whose head is still unsent; `headers` go with it. Throws before it touches it. */
  open(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    service: string | undefined,
  ): void {
    this.assertRoom()
    const stream = { response, service }
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' })
    response.write(': every change from now on; after a gap, read the present state\nretry: 1000\n\n')
    response.on('close', () => this.#streams.delete(stream))
    this.#streams.add(stream)
    this.#timer ??= this.#clock.setTimer(COMMENT_INTERVAL_MS, () => this.#comment())
  }

  assertRoom(): void {
    if (this.#isClosed) throw new RollcallError('ROLLCALL_NOT_READY', 'the server stops')
    if (this.#streams.size < STREAMS_MAX) return
    const message = `the limit of ${STREAMS_MAX} event streams is reached`
    throw new RollcallError('ROLLCALL_LIMIT_REACHED', message, { value: STREAMS_MAX })
  }

  /** Ends every stream; its reader sees the end of the answer. */
  close(): void {
    this.#isClosed = true
    this.#unsubscribe()
    this.#timer?.cancel()
    for (const { response } of this.#streams) response.end()
    this.#streams.clear()
  }

  #publish({ type, instance }: RegistryEvent): void {
    this.#sequence += 1
    if (this.#streams.size === 0) return
    const text = `id: ${this.#sequence}\nevent: ${type}\ndata: ${JSON.stringify(instanceView(instance))}\n\n`
    for (const stream of this.#streams) {
      if (stream.service === undefined || stream.service === instance.service) this.#write(stream, text)
    }
  }

  #comment(): void {
    for (const stream of this.#streams) this.#write(stream, ': still here\n\n')
    const isIdle = this.#streams.size === 0
    this.#timer = isIdle ? undefined : this.#clock.setTimer(COMMENT_INTERVAL_MS, () => this.#comment())
  }

  #write(stream: Stream, text: string): void {
    const { response } = stream
    if (response.writableLength + text.length > BACKLOG_MAX) {
      this.#streams.delete(stream)
      response.destroy()
    } else {
      response.write(text)
    }
  }
}
