/** How the load sends one GET: over HTTP/1.1 connections that undici keeps, or streams on two HTTP/2 sessions. */
import { type ClientHttp2Session, connect } from 'node:http2'
import { Pool } from 'undici'

export interface Answer {
  readonly status: number
  readonly body: string
}

/** Resolves with the whole answer; rejects when there is none in time. */
export type Send = () => Promise<Answer>

/** As many connections as there are requests in flight: none waits for another's answer. */
export function http1({ origin, pathname }: URL, timeoutMs: number): Send {
  const pool = new Pool(origin, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  return async () => {
    const { statusCode, body } = await pool.request({ method: 'GET', path: pathname })
    return { status: statusCode, body: await body.text() }
  }
}

/** Sessions take turns; one that is closed is replaced. */
export function http2({ origin, pathname }: URL, timeoutMs: number): Send {
  const sessions: ClientHttp2Session[] = []
  let turn = 0
  const session = (): ClientHttp2Session => {
    turn = 1 - turn
    const known = sessions[turn]
    if (known && !known.closed && !known.destroyed) return known
    const fresh = connect(origin)
    // The streams report what went wrong; without a listener the session's error would end the process.
    fresh.on('error', () => undefined)
    fresh.setMaxListeners(0)
    sessions[turn] = fresh
    return fresh
  }
  return () =>
    new Promise((resolve, reject) => {
      const stream = session().request({ ':path': pathname })
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
