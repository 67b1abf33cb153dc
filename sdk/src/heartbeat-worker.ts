/**
 * The heartbeat's thread: one for all registrations of the process. It sends the heartbeats by itself, so that they
 * go on while the app's event loop is blocked, and asks that event loop for a sign before each.
 */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { Heartbeat, type HeartbeatNews, type Pulse, STALLED_AFTER_MS } from './heartbeat.ts'
import { RegistryClient, type Status } from './registry-client.ts'
import { type OpenOptions, type Order, pack, type Word } from './thread-messages.ts'

/** For the way of an answer, once the checks' own time is up. */
const ANSWER_MS = 500

/** The app's event loop, as it looks from here. */
class AppThread {
  readonly #ask: (mostMs: number) => void
  readonly #checkTimeoutMs: number
  /** When the question was put that has not been answered by any sign. One waits at the most, however long. */
  #silentSince: number | undefined
  #checked: (status: Status) => void = () => undefined

  constructor(ask: (mostMs: number) => void, checkTimeoutMs: number) {
    this.#ask = ask
    this.#checkTimeoutMs = checkTimeoutMs
  }

  async pulse(mostMs: number, isPatient: boolean): Promise<Pulse> {
    const waitMs = Math.min(mostMs, this.#checkTimeoutMs + ANSWER_MS)
    const answer = new Promise<Status>(resolve => {
      this.#checked = resolve
    })
    if (this.#silentSince === undefined) {
      this.#silentSince = performance.now()
      this.#ask(0.8 * waitMs)
    }
    const isStalled = this.#silentMs() >= STALLED_AFTER_MS
    const status = isPatient ? await answer : await within(isStalled ? 0 : waitMs, answer)
    return { status, silentMs: this.#silentMs() }
  }

  awake(): void {
    this.#silentSince = undefined
  }

  checked(status: Status): void {
    this.#checked(status)
  }

  #silentMs(): number {
    return this.#silentSince === undefined ? 0 : performance.now() - this.#silentSince
  }
}

interface Registered {
  app: AppThread
  heartbeat: Heartbeat
  client: RegistryClient
}

const NEWS: readonly (keyof HeartbeatNews)[] = ['registered', 'recovered', 'failed', 'lost', 'removed']

function serve(port: MessagePort): void {
  const all = new Map<number, Registered>()
  const say = (word: Word): void => port.postMessage(word)
  port.on('message', async (order: Order) => {
    const { id } = order
    if (order.type === 'open') return void all.set(id, open(id, order.options, say))
    const one = all.get(id)
    if (!one) return
    if (order.type === 'awake') return one.app.awake()
    if (order.type === 'checked') return one.app.checked(order.status)
    await one.heartbeat[order.call]()
    if (order.call === 'stop') {
      all.delete(id)
      await one.client.close()
    }
    say({ id, type: 'done', call: order.call })
  })
}

function open(id: number, options: OpenOptions, say: (word: Word) => void): Registered {
  const client = new RegistryClient(options.registries)
  const app = new AppThread(mostMs => say({ id, type: 'ask', mostMs }), options.checkTimeoutMs)
  const tell = NEWS.map(name => [
    name,
    (...details: unknown[]) => say({ id, type: 'news', name, details: details.map(pack) }),
  ])
  const news = Object.fromEntries(tell) as HeartbeatNews
  const pulse = (mostMs: number, isPatient: boolean): Promise<Pulse> => app.pulse(mostMs, isPatient)
  return { app, client, heartbeat: new Heartbeat(client, options, { ...news, pulse }) }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

if (parentPort) serve(parentPort)
