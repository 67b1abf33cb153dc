/** The process behind load.ts: sends and counts. Speaks over IPC: "report" and "stop" are answered by a LoadReport. */
import { type ClientHttp2Session, connect } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'undici'
import type { LoadOptions } from './load.ts'
import { bookAnswer, bookError, emptyReport, instant } from './load-report.ts'

type Send = (timeoutMs: number) => Promise<{ status: number; body: string }>

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
const { concurrency = 16, ratePerSecond, timeoutMs = 10_000 } = options
const { origin, pathname } = new URL(options.url)
const report = emptyReport()
const startedAt = instant()
let stopping = false

/** One connection; undici opens it again when it was lost. */
function http1(): Send {
  const client = new Client(origin, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  return async () => {
    const { statusCode, body } = await client.request({ method: 'GET', path: pathname })
    return { status: statusCode, body: await body.text() }
  }
}

const sessions: ClientHttp2Session[] = []

/** A stream on one of two sessions; a session that is closed is replaced. */
function http2(index: number): Send {
  return timeoutMs =>
    new Promise((resolve, reject) => {
      const stream = session(index % 2).request({ ':path': pathname })
      let status = 0
      let body = ''
      stream.setEncoding('utf8')
      stream.setTimeout(timeoutMs, () => stream.destroy(new Error('timeout')))
      stream.once('response', headers => {
        status = Number(headers[':status'])
      })
      stream.on('data', chunk => {
        body += chunk
      })
      stream.once('error', reject)
      stream.once('close', () => {
        if (stream.rstCode === 0 && status > 0) resolve({ status, body })
        else reject(new Error(`stream reset ${stream.rstCode}`))
      })
    })
}

function session(slot: number): ClientHttp2Session {
  const known = sessions[slot]
  if (known && !known.closed && !known.destroyed) return known
  const fresh = connect(origin)
  // The streams report what went wrong; without a listener the session's error would end the process.
  fresh.on('error', () => undefined)
  fresh.setMaxListeners(0)
  sessions[slot] = fresh
  return fresh
}

async function lane(index: number): Promise<void> {
  const send = options.protocol === 'h2' ? http2(index) : http1()
  const everyMs = ratePerSecond === undefined ? 0 : (1000 * concurrency) / ratePerSecond
  let dueAt = instant() + (everyMs * index) / concurrency
  while (!stopping) {
    if (everyMs > 0 && dueAt > instant()) await delay(dueAt - instant())
    dueAt += everyMs
    const sentAt = instant()
    try {
      const { status, body } = await send(timeoutMs)
      bookAnswer(report, status, body, sentAt)
    } catch (error) {
      bookError(report, describe(error), sentAt)
      // A refused connection fails at once: without a pause the count would be of our loop, not of the world.
      await delay(10)
    }
  }
}

function describe(error: unknown): string {
  const { code, message, name } = error as Error & { code?: string }
  return `${code ?? name} ${message}`
}

const lanes = Array.from({ length: concurrency }, (_, index) => lane(index))

process.on('message', async question => {
  if (question === 'stop') {
    stopping = true
    await Promise.all(lanes)
  }
  report.seconds = (instant() - startedAt) / 1000
  process.send?.(report, () => {
    if (question === 'stop') process.exit(0)
  })
})
process.once('disconnect', () => process.exit(0))
