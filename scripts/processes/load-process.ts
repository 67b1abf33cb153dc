/** The process behind load.ts: sends and counts. Speaks over IPC: "report" and "stop" are answered by a LoadReport. */
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadOptions } from './load.ts'
import { LoadBook } from './load-book.ts'
import { instant } from './load-report.ts'
import { http1, http2 } from './load-senders.ts'

/** More unanswered requests than this cannot be held: the next ones fail unsent, so that memory stays bounded. */
const IN_FLIGHT_MAX = 5000

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
const { concurrency = 16, ratePerSecond, timeoutMs = 10_000 } = options
const url = new URL(options.url)
const send = options.protocol === 'h2' ? http2(url, timeoutMs) : http1(url, timeoutMs)
const book = new LoadBook(options.recordTo)
const inFlight = new Set<Promise<void>>()
let stopping = false

/** One request that was due at `dueAt`; true when it was answered at all. */
async function request(dueAt: number): Promise<boolean> {
  const sentAt = instant()
  try {
    const { status, body } = await send()
    book.answer(status, body, dueAt, sentAt)
    return true
  } catch (error) {
    book.error(describe(error), dueAt)
    return false
  }
}

/** Open loop: a request leaves when its time has come, whatever became of those before it. */
async function openLoop(rate: number): Promise<void> {
  const everyMs = 1000 / rate
  let dueAt = instant()
  while (!stopping) {
    for (; dueAt <= instant(); dueAt += everyMs) launch(dueAt)
    await delay(Math.max(dueAt - instant(), 0))
  }
  await Promise.all(inFlight)
}

function launch(dueAt: number): void {
  if (inFlight.size >= IN_FLIGHT_MAX) {
    book.error(`not sent: ${IN_FLIGHT_MAX} requests are unanswered`, dueAt)
    return
  }
  const sent: Promise<void> = request(dueAt).then(() => void inFlight.delete(sent))
  inFlight.add(sent)
  book.inFlight(inFlight.size)
}

/** Closed loop: the next request of a lane leaves when the last one is answered. */
async function lane(): Promise<void> {
  while (!stopping) {
    const isAnswered = await request(instant())
    // A refused connection fails at once: without a pause the count would be of our loop, not of the world.
    if (!isAnswered) await delay(10)
  }
}

async function closedLoop(): Promise<void> {
  book.inFlight(concurrency)
  await Promise.all(Array.from({ length: concurrency }, lane))
}

function describe(error: unknown): string {
  const { code, message, name } = error as Error & { code?: string }
  return `${code ?? name} ${message}`
}

const work = ratePerSecond === undefined ? closedLoop() : openLoop(ratePerSecond)

process.on('message', async question => {
  if (question === 'stop') {
    stopping = true
    await work
    book.flush()
  }
  process.send?.(book.report(), () => {
    if (question === 'stop') process.exit(0)
  })
})
process.once('disconnect', () => process.exit(0))
