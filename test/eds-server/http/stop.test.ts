import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import type { Delivery, DeliveryReport } from '../../../eds-server/src/http/context.ts'
import { nobodySubscribes, startApi } from './api.ts'
import { dial, untilEnd } from './raw.ts'

/** Generous: without care it is the 65 s of the keep-alive (fastify#7044). */
const PROMPT_MS = 20_000

async function closesPromptly(close: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  await close()
  const took = performance.now() - started
  assert.ok(took < PROMPT_MS, `the stop took ${took} ms`)
}

test('idle keep-alive connections do not hold a stop up', async () => {
  await using api = await startApi()
  const agent = new Agent({ keepAlive: true })
  const [response] = (await once(get(`${api.url}/healthz`, { agent }), 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  await closesPromptly(() => api.app.close())
  agent.destroy()
})

test('event streams end, and do not hold a stop up', async () => {
  await using api = await startApi()
  const [response] = (await once(get(`${api.url}/v1/events`), 'response')) as [IncomingMessage]
  response.resume()
  const ended = once(response, 'end')
  await closesPromptly(() => api.app.close())
  await ended
  assert.equal(response.complete, true)
})

test('what is in flight is answered, and a connection that falls idle after the stop began is closed', async () => {
  let answer = (_report: DeliveryReport): void => undefined
  let asked = (): void => undefined
  const wasAsked = new Promise<void>(resolve => {
    asked = resolve
  })
  const delivery: Delivery = {
    ...nobodySubscribes,
    live: () => {
      asked()
      return new Promise(resolve => {
        answer = resolve
      })
    },
  }
  await using api = await startApi({ delivery })
  const agent = new Agent({ keepAlive: true })
  const path = '/v1/services/a/instances/b/delivery?state=live'
  const inFlight = once(get(`${api.url}${path}`, { agent }), 'response') as Promise<[IncomingMessage]>
  await wasAsked
  const closing = closesPromptly(() => api.app.close())
  const [response] = await inFlight
  response.resume()
  await once(response, 'end')
  assert.equal(response.statusCode, 503)
  answer({ subscribers: 0, acked: 0, pending: [] })
  await closing
  agent.destroy()
})

test('a body that is arriving when the stop begins is read and answered', async () => {
  await using api = await startApi()
  const agent = new Agent({ keepAlive: true })
  const call = request(`${api.url}/v1/services/a/instances/b`, {
    agent,
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'content-length': '13' },
  })
  const arrived = once(api.app.server, 'request')
  call.write('{"port"')
  await arrived
  const closing = closesPromptly(() => api.app.close())
  const answered = once(call, 'response') as Promise<[IncomingMessage]>
  call.end(':8081}')
  const [response] = await answered
  response.resume()
  assert.equal(response.statusCode, 201)
  await closing
  agent.destroy()
})

test('a stopping server is not ready, tells the connection to close, and takes no new one', async () => {
  await using api = await startApi()
  const socket = await dial(api.port)
  const arrived = once(api.app.server, 'request')
  const head =
    'PUT /v1/services/a/instances/b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
  socket.write(`${head}content-length: 10\r\n\r\n{`)
  await arrived
  const closing = closesPromptly(() => api.app.close())
  socket.write('"port":1}GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const [first = '', second = ''] = (await untilEnd(socket)).split(/(?=HTTP\/1\.1 503)/)
  assert.match(first, /^HTTP\/1\.1 201 /)
  assert.match(second, /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*ROLLCALL_NOT_READY/i)
  await closing
  await assert.rejects(fetch(`${api.url}/healthz`))
})

test('a stop is idempotent', async () => {
  await using api = await startApi()
  await Promise.all([api.app.close(), api.app.close()])
  await assert.rejects(fetch(`${api.url}/healthz`))
})
