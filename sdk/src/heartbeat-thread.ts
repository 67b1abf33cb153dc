/**
 * The app's side of the heartbeat's thread: starts it for the first registration of the process, ends it with the
 * last, carries orders and news, and tells each registration when the thread is gone. It never keeps the process
 * alive, except for as long as somebody who leaves awaits the heartbeat in flight.
 */
import { Worker } from 'node:worker_threads'
import type { HeartbeatNews } from './heartbeat.ts'
import type { Status } from './registry-client.ts'
import { type Call, type OpenOptions, type Order, unpack, type Word } from './thread-messages.ts'

export interface RemoteOwner extends HeartbeatNews {
  check(mostMs: number): Promise<Status>
  /** The thread is gone, and nothing is in flight any more; calls that were under way have resolved. */
  died(error: Error): void
}

/** A heap of its own, small: it must not grow by what the app's may. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 }

let thread: HeartbeatThread | undefined
let lastId = 0

/** One registration's heartbeat in the thread. */
export class RemoteHeartbeat {
  readonly #id = ++lastId
  readonly #thread: HeartbeatThread
  readonly #owner: RemoteOwner
  readonly #awaited = new Map<Call, () => void>()

  /** Throws where the process may not start a thread. */
  constructor(options: OpenOptions, owner: RemoteOwner) {
    thread ??= new HeartbeatThread()
    this.#thread = thread
    this.#owner = owner
    this.#thread.add(this.#id, this)
    this.#thread.order({ id: this.#id, type: 'open', options })
  }

  /** Resolves when the first beat is over, well or badly. */
  start(): Promise<void> {
    return this.#call('start')
  }

  enterDraining(): Promise<void> {
    return this.#thread.kept(this.#call('enterDraining'))
  }

  async stop(): Promise<void> {
    await this.#thread.kept(this.#call('stop'))
    this.#thread.remove(this.#id)
  }

  hear(word: Word): void {
    if (word.type === 'news') {
      const tell = this.#owner[word.name] as (...details: unknown[]) => void
      tell(...word.details.map(unpack))
    } else if (word.type === 'done') {
      this.#awaited.get(word.call)?.()
    } else {
      void this.#answer(word.mostMs)
    }
  }

  died(error: Error): void {
    for (const resolve of this.#awaited.values()) resolve()
    this.#owner.died(error)
  }

  #call(call: Call): Promise<void> {
    return new Promise(resolve => {
      this.#awaited.set(call, resolve)
      this.#thread.order({ id: this.#id, type: 'call', call })
    })
  }

  async #answer(mostMs: number): Promise<void> {
    this.#thread.order({ id: this.#id, type: 'awake' })
    const status = await this.#owner.check(mostMs)
    this.#thread.order({ id: this.#id, type: 'checked', status })
  }
}

class HeartbeatThread {
  readonly #worker: Worker
  readonly #heartbeats = new Map<number, RemoteHeartbeat>()
  #keepers = 0

  constructor() {
    // NODE_OPTIONS and execArgv are the app's (loaders, inspectors, `--input-type`); the rest of the environment may
    // be the network's (NODE_TLS_REJECT_UNAUTHORIZED).
    const { NODE_OPTIONS: _, ...env } = process.env
    this.#worker = new Worker(new URL('./heartbeat-worker.js', import.meta.url), {
      name: 'rollcall-heartbeat',
      execArgv: [],
      env,
      resourceLimits: RESOURCE_LIMITS,
    })
    this.#worker.on('message', (word: Word) => this.#heartbeats.get(word.id)?.hear(word))
    this.#worker.once('error', error => this.#ended(error))
    this.#worker.once('exit', code => this.#ended(new Error(`the heartbeat's thread ended (${code})`)))
    this.#worker.unref()
  }

  add(id: number, heartbeat: RemoteHeartbeat): void {
    this.#heartbeats.set(id, heartbeat)
  }

  remove(id: number): void {
    this.#heartbeats.delete(id)
    if (this.#heartbeats.size > 0) return
    if (thread === this) thread = undefined
    void this.#worker.terminate()
  }

  order(order: Order): void {
    this.#worker.postMessage(order)
  }

  /** `work`, for as long as which the process stays alive. */
  async kept(work: Promise<void>): Promise<void> {
    if (this.#keepers++ === 0) this.#worker.ref()
    await work
    if (--this.#keepers === 0) this.#worker.unref()
  }

  #ended(error: Error): void {
    if (thread === this) thread = undefined
    const left = [...this.#heartbeats.values()]
    this.#heartbeats.clear()
    for (const each of left) each.died(error)
  }
}
