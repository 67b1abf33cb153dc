import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { EventStreams } from '../../../eds-server/src/http/event-streams.ts'
import { Registry } from '../../../eds-server/src/registry/registry.ts'
import { memoryStore } from '../../../eds-server/src/registry/store.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { record } from '../../world/records.ts'
import { startApi } from './api.ts'

interface Event {
  readonly id: number
  readonly event: string
  readonly data: { service: string; instanceId: string; status: string }
}

/** The events of a stream, from when its head has arrived. */
class Reader implements AsyncDisposable {
  readonly response: IncomingMessage
  #text = ''

  private constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8').on('data', chunk => {
      this.#text += chunk
    })
  }

  static async open(url: string): Promise<Reader> {
    const [response] = (await once(get(url), 'response')) as [IncomingMessage]
    return new Reader(response)
  }

  async until(isThere: (text: string) => boolean): Promise<string> {
    while (!isThere(this.#text)) await once(this.response, 'data')
    return this.#text
  }

  async events(count: number): Promise<Event[]> {
    const text = await this.until(each => each.split('\ndata: ').length > count)
    return Array.from(
      text.matchAll(/^id: (\d+)\nevent: (\w+)\ndata: (.+)\n$/gm),
      ([, id, event = '', data = '']) => ({
        id: Number(id),
        event,
        data: JSON.parse(data),
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.response.destroy()
  }
}

test('changes arrive in order with a rising id, as the instance is then', async () => {
  await using api = await startApi()
  await using reader = await Reader.open(`${api.url}/v1/events`)
  assert.equal(reader.response.statusCode, 200)
  assert.equal(reader.response.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(reader.response.headers['x-content-type-options'], 'nosniff')
  api.registry.register(record({ service: 'a' }), undefined)
  api.registry.drain('a', 'one', undefined)
  api.registry.deregister('a', 'one', undefined)
  const events = await reader.events(3)
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.service, data.instanceId, data.status]),
    [
      ['registered', 'a', 'one', 'healthy'],
      ['draining', 'a', 'one', 'draining'],
      ['deregistered', 'a', 'one', 'draining'],
    ],
  )
  assert.deepEqual(
    events.map(({ id }) => id),
    [1, 2, 3],
  )
})

test('a stream may be of one service', async () => {
  await using api = await startApi()
  await using reader = await Reader.open(`${api.url}/v1/events?service=B`)
  api.registry.register(record({ service: 'a' }), undefined)
  api.registry.register(record({ service: 'b' }), undefined)
  const [event] = await reader.events(1)
  assert.deepEqual([event?.data.service, event?.id], ['b', 2])
})

test('wrong queries are refused', async () => {
  await using api = await startApi()
  for (const [query, field] of [
    ['service=repo', 'service'],
    ['since=3', 'since'],
  ] as const) {
    const { status, body } = await api.call('GET', `/v1/events?${query}`)
    assert.deepEqual([status, body.field], [400, field])
  }
})

test('a stream that its reader leaves is forgotten', async () => {
  await using api = await startApi()
  const reader = await Reader.open(`${api.url}/v1/events`)
  assert.match(await api.metrics.render(), /rollcall_http_event_streams 1\n/)
  reader.response.destroy()
  while (!/rollcall_http_event_streams 0\n/.test(await api.metrics.render())) {
    await new Promise(resolve => setImmediate(resolve))
  }
})

/** Streams on a server of their own, with time that moves only when told to. */
async function streamsWorld() {
  const clock = new ManualClock()
  const registry = new Registry({ clock, store: memoryStore })
  const streams = new EventStreams({ registry, clock })
  const server = createServer((_request, response) => {
    try {
      streams.open(response, {}, undefined)
    } catch {
      response.writeHead(503).end()
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    clock,
    registry,
    streams,
    url,
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
      registry.close()
    },
  }
}

test('a quiet stream gets a comment every 15 s, and no stream no timer', async () => {
  using world = await streamsWorld()
  await using reader = await Reader.open(world.url)
  for (const comments of [1, 2, 3]) {
    world.clock.advance(15_000)
    await reader.until(text => text.split(': still here\n\n').length === comments + 1)
  }
  reader.response.destroy()
  while (world.streams.size > 0) await new Promise(resolve => setImmediate(resolve))
  world.clock.advance(15_000)
  assert.equal(world.clock.pendingTimers, 0)
})

test('a reader that does not read loses its connection, and the server no memory to it', async () => {
  using world = await streamsWorld()
  await using slow = await Reader.open(world.url)
  slow.response.pause()
  const metadata = { text: 'x'.repeat(3_000) }
  let changes = 0
  while (world.streams.size > 0) {
    assert.ok(changes < 50_000, 'the stream is never dropped')
    for (let each = 0; each < 100; each += 1) {
      changes += 1
      world.registry.register(record({ metadata, weight: 1 + (changes % 60_000) }), undefined)
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  slow.response.on('error', () => 'cut off')
  slow.response.resume()
  if (!slow.response.closed) await once(slow.response, 'close').catch(() => undefined)
  assert.equal(slow.response.complete, false)
})

test('streams are limited, and none is opened after the end', async () => {
  using world = await streamsWorld()
  await using reader = await Reader.open(world.url)
  world.streams.close()
  await once(reader.response, 'end')
  assert.equal(reader.response.complete, true)
  await using late = await Reader.open(world.url)
  assert.equal(late.response.statusCode, 503)
})
