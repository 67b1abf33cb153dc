/** One stream over a transport that the test holds: routing, order, limits, slow clients, ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pino from 'pino'
import { Admission } from '../../../eds-server/src/xds/admission.ts'
import { ClientGates } from '../../../eds-server/src/xds/client-gate.ts'
import { DELTA } from '../../../eds-server/src/xds/delta-stream.ts'
import { ResponseEncoder } from '../../../eds-server/src/xds/discovery-response.ts'
import { FetchServer } from '../../../eds-server/src/xds/fetch.ts'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { RETURN_MS } from '../../../eds-server/src/xds/lost-watchers.ts'
import { PREFIX_BYTES } from '../../../eds-server/src/xds/message-reader.ts'
import { NodeStatus } from '../../../eds-server/src/xds/node-status.ts'
import { decoder, encoder } from '../../../eds-server/src/xds/protos.ts'
import { CLUSTER, ENDPOINT, LISTENER, RUNTIME, SECRET } from '../../../eds-server/src/xds/resource-type.ts'
import { isLoopbackPeer } from '../../../eds-server/src/xds/secrecy.ts'
import { SOTW } from '../../../eds-server/src/xds/sotw-stream.ts'
import {
  DEFAULT_LIMITS,
  type StreamContext,
  type Transport,
} from '../../../eds-server/src/xds/stream-context.ts'
import { UNACKED_MS } from '../../../eds-server/src/xds/unacked.ts'
import { XdsStream } from '../../../eds-server/src/xds/xds-stream.ts'
import { cluster } from '../../conformance/resources.ts'
import { fixedCaches } from '../../world/fixed-caches.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { resource } from './watch-bench.ts'

const encode = encoder('envoy.service.discovery.v3.DiscoveryRequest')
const decode = decoder('envoy.service.discovery.v3.DiscoveryResponse') as (bytes: Buffer) => Decoded
const decodeDelta = decoder('envoy.service.discovery.v3.DeltaDiscoveryResponse') as typeof decode

interface Decoded {
  type_url: string
  nonce: string
  resources?: object[]
}

interface LogLine {
  level: number
  msg: string
  names?: string[]
  node?: string
  message?: string
}

interface BenchOptions {
  implied?: string
  isDelta?: boolean
  peer?: string
}

function bench({ implied, isDelta = false, peer = '127.0.0.1:1' }: BenchOptions = {}) {
  const clock = new ManualClock()
  const caches = [CLUSTER, ENDPOINT, LISTENER, SECRET].map(type => new LinearCache(type, { clock }))
  const [clusters, endpoints, listeners] = caches
  assert.ok(clusters && endpoints && listeners)
  const log: LogLine[] = []
  const events: string[] = []
  const context: StreamContext = {
    groups: fixedCaches(...caches),
    gates: new ClientGates(clock),
    encoder: new ResponseEncoder('me'),
    status: new NodeStatus(),
    admission: new Admission(clock),
    clock,
    logger: pino({}, { write: (line: string) => void log.push(JSON.parse(line)) }),
    limits: DEFAULT_LIMITS,
    observer: {
      streamOpened: () => events.push('opened'),
      streamClosed: () => events.push('closed'),
      slowClientClosed: () => events.push('slow'),
      secretsWithheld: () => events.push('withheld'),
      acked: () => events.push('ack'),
      nacked: () => events.push('nack'),
      responseSent: () => events.push('sent'),
    },
  }
  const sent: Decoded[] = []
  const ends: { code: number; details: string; isStalled: boolean | undefined }[] = []
  const wire = { takes: true }
  const transport: Transport = {
    peer,
    write(message) {
      sent.push((isDelta ? decodeDelta : decode)(message.subarray(PREFIX_BYTES)))
      return wire.takes
    },
    end: (code, details, isStalled) => void ends.push({ code, details, isStalled }),
  }
  const stream = isDelta
    ? new XdsStream(DELTA, transport, context, implied)
    : new XdsStream(SOTW, transport, context, implied)
  const send = (fields: object): void => stream.receive(encode(fields))
  return { clock, clusters, endpoints, listeners, context, log, events, sent, ends, wire, stream, send }
}

const ASK = { node: { id: 'n', cluster: 'c' }, type_url: ENDPOINT.typeUrl, resource_names: ['a'] }

test('a stream without a first request within 10 s ends; one with a request does not', () => {
  const silent = bench()
  silent.clock.advance(9_999)
  assert.equal(silent.ends.length, 0)
  silent.clock.advance(1)
  assert.equal(silent.ends[0]?.code, 4)
  assert.deepEqual(silent.events, ['opened', 'closed'])
  const asking = bench()
  asking.send(ASK)
  asking.clock.advance(60_000)
  assert.equal(asking.ends.length, 0)
})

test('X-02: no type URL on an aggregated stream, or another one on a typed stream, is INVALID_ARGUMENT', () => {
  const aggregated = bench()
  aggregated.send({ resource_names: ['a'] })
  assert.equal(aggregated.ends[0]?.code, 3)
  const typed = bench({ implied: ENDPOINT.typeUrl })
  typed.send({ resource_names: ['a'] })
  assert.equal(typed.ends.length, 0)
  typed.send({ type_url: CLUSTER.typeUrl })
  assert.equal(typed.ends[0]?.code, 3)
})

test('X-03: the node counts from the first request; a later one is not read', () => {
  const { send, context, endpoints } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  send(ASK)
  send({ ...ASK, node: { id: 'other' }, response_nonce: '1' })
  assert.deepEqual(
    context.status.nodes().map(({ node, cluster: name, peer }) => [node, name, peer]),
    [['n', 'c', '127.0.0.1:1']],
  )
})

test('a node id is any text, cut where it is kept', () => {
  const { send, context } = bench()
  send({ ...ASK, node: { id: '__proto__\n"'.repeat(1000) } })
  assert.equal(context.status.nodes()[0]?.node.length, 1024)
})

test('a type without a cache is met with silence, logged once a stream', () => {
  const { send, sent, ends, log } = bench()
  send({ type_url: RUNTIME.typeUrl })
  send({ type_url: RUNTIME.typeUrl })
  send({ type_url: 'nonsense' })
  assert.deepEqual([sent, ends, log.length], [[], [], 1])
})

test('malformed bytes end the stream with INVALID_ARGUMENT, and what follows is not read', () => {
  const { stream, ends, endpoints } = bench()
  stream.receive(Buffer.from('0a05', 'hex'))
  stream.receive(encode(ASK))
  assert.deepEqual([ends.length, ends[0]?.code], [1, 3])
  assert.equal(endpoints.isWatched('a'), false)
})

test('a name above 1 KiB is INVALID_ARGUMENT, more than 10,000 names are RESOURCE_EXHAUSTED', () => {
  const long = bench()
  long.send({ ...ASK, resource_names: ['é'.repeat(512), 'é'.repeat(513)] })
  assert.equal(long.ends[0]?.code, 3)
  const names = Array.from({ length: 10_001 }, (_, index) => `s${index}`)
  const many = bench()
  many.send({ ...ASK, resource_names: names.slice(1) })
  assert.equal(many.ends.length, 0)
  many.send({ ...ASK, resource_names: names })
  assert.equal(many.ends[0]?.code, 8)
})

test('names that add up to more than 10,000 in a delta subscription are RESOURCE_EXHAUSTED', () => {
  const encodeDelta = encoder('envoy.service.discovery.v3.DeltaDiscoveryRequest')
  const { stream, ends, endpoints, clock } = bench({ isDelta: true })
  const subscribe = (from: number) =>
    stream.receive(
      encodeDelta({
        type_url: ENDPOINT.typeUrl,
        resource_names_subscribe: Array.from({ length: 6000 }, (_, index) => `s${from + index}`),
      }),
    )
  subscribe(0)
  assert.equal(ends.length, 0)
  subscribe(6000)
  assert.equal(ends[0]?.code, 8)
  clock.advance(RETURN_MS)
  assert.equal(endpoints.isWatched('s0'), false)
})

test('X-32: what waited for the client to take bytes is sent in make-before-break order', () => {
  const { send, sent, stream, wire, clusters, endpoints, listeners } = bench()
  wire.takes = false
  send({ type_url: LISTENER.typeUrl })
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  clusters.set(resource(CLUSTER, 'c', 'v1'))
  listeners.set(resource(LISTENER, 'l', 'v1'))
  send(ASK)
  send({ type_url: CLUSTER.typeUrl })
  assert.equal(sent.length, 1)
  for (let count = 0; count < 3; count += 1) stream.drained()
  assert.deepEqual(
    sent.map(({ type_url }) => type_url),
    [LISTENER, CLUSTER, ENDPOINT].map(({ typeUrl }) => typeUrl),
  )
})

test('X-12: nonces are unique in the stream, across its types', () => {
  const { send, sent, endpoints, clusters } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  send(ASK)
  send({ type_url: CLUSTER.typeUrl })
  send({ ...ASK, response_nonce: '1' })
  clusters.set(resource(CLUSTER, 'c', 'v1'))
  send({ type_url: CLUSTER.typeUrl, response_nonce: '2' })
  endpoints.set(resource(ENDPOINT, 'a', 'v2'))
  assert.deepEqual(
    sent.map(({ nonce }) => nonce),
    ['1', '2', '3', '4'],
  )
})

test('X-33: the assignment follows its changed cluster, and only a changed one, before any ACK', () => {
  const { send, sent, clusters, endpoints } = bench()
  for (const name of ['a', 'b']) {
    clusters.set(cluster(name, { serviceName: `${name}-endpoints` }))
    endpoints.set(resource(ENDPOINT, `${name}-endpoints`, 'v1'))
  }
  send({ type_url: CLUSTER.typeUrl })
  send({ ...ASK, resource_names: ['a-endpoints', 'b-endpoints'] })
  send({ type_url: CLUSTER.typeUrl, response_nonce: '1' })
  send({ ...ASK, resource_names: ['a-endpoints', 'b-endpoints'], response_nonce: '2' })
  assert.equal(sent.length, 2)
  clusters.set(cluster('a', { serviceName: 'a-endpoints', seconds: 9 }))
  assert.deepEqual(
    sent.slice(2).map(({ type_url, resources }) => [type_url, resources?.length]),
    [
      [CLUSTER.typeUrl, 2],
      [ENDPOINT.typeUrl, 1],
    ],
  )
})

test('X-59: nothing more is written until the client has taken what was', () => {
  const { send, sent, wire, stream, endpoints } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  wire.takes = false
  send(ASK)
  endpoints.set(resource(ENDPOINT, 'a', 'v2'))
  send({ ...ASK, response_nonce: '1' })
  assert.equal(sent.length, 1)
  wire.takes = true
  stream.drained()
  assert.equal(sent.length, 2)
})

test('X-60: a client that takes nothing for 30 s is closed with UNAVAILABLE', () => {
  const { send, wire, clock, ends, events, endpoints, stream } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  wire.takes = false
  send(ASK)
  clock.advance(20_000)
  stream.drained()
  endpoints.set(resource(ENDPOINT, 'a', 'v2'))
  send({ ...ASK, response_nonce: '1' })
  clock.advance(29_999)
  assert.equal(ends.length, 0)
  clock.advance(1)
  assert.deepEqual([ends[0]?.code, ends[0]?.isStalled, events.includes('slow')], [14, true, true])
  clock.advance(RETURN_MS)
  assert.equal(clock.pendingTimers, 0)
  assert.equal(endpoints.isWatched('a'), false)
})

test('X-60: a client that takes and never ACKs stays, STALE, and is told the newest every 30 s at most', () => {
  const { send, sent, clock, ends, context, endpoints } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  send(ASK)
  for (let second = 1; second < 600; second += 1) {
    endpoints.set(resource(ENDPOINT, 'a', `v${second + 1}`))
    clock.advance(1000)
  }
  // Each 30 s, and up to 3 s later.
  assert.ok(sent.length >= 18 && sent.length <= 20, `${sent.length}`)
  assert.equal(ends.length, 0)
  assert.equal(context.status.nodes()[0]?.types[0]?.state, 'STALE')
})

test('X-60: what was never ACKed is told again with what is newer, and one ACK then settles it all', async () => {
  for (const isDelta of [false, true]) {
    const { stream, sent, clock, endpoints } = bench({ isDelta })
    const encodeRequest = isDelta ? encoder('envoy.service.discovery.v3.DeltaDiscoveryRequest') : encode
    const names = isDelta ? { resource_names_subscribe: ['a', 'b'] } : { resource_names: ['a', 'b'] }
    const send = (fields: object): void =>
      stream.receive(encodeRequest({ type_url: ENDPOINT.typeUrl, node: { id: 'n' }, ...fields }))
    endpoints.set(resource(ENDPOINT, 'a', 'v1'))
    endpoints.set(resource(ENDPOINT, 'b', 'v1'))
    send(names)
    clock.advance(UNACKED_MS * 2)
    assert.deepEqual([sent.length, clock.pendingTimers], [1, 0], 'nothing is newer, nothing is sent')
    endpoints.set(resource(ENDPOINT, 'b', 'v2'))
    clock.advance(UNACKED_MS / 10)
    assert.deepEqual(
      sent.map(({ resources }) => resources?.length),
      [2, 2],
    )
    const settled = Promise.all(['a', 'b'].map(name => endpoints.acked(name, { timeoutMs: 1000 })))
    send({ ...(isDelta ? {} : names), response_nonce: '1' })
    assert.ok(clock.pendingTimers > 0, 'an ACK of the first comes too late')
    send({ ...(isDelta ? {} : names), response_nonce: '2' })
    assert.deepEqual(
      (await settled).map(({ acked }) => acked),
      [1, 1],
    )
    assert.deepEqual([sent.length, clock.pendingTimers], [2, 0])
  }
})

test('X-15: a NACK is logged and counted with what operators need, cut to size', () => {
  const { send, log, events, endpoints } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  send(ASK)
  send({ ...ASK, response_nonce: '1', error_detail: { code: 3, message: 'x'.repeat(5000) } })
  const [line] = log
  assert.deepEqual([line?.level, line?.msg, line?.names, line?.node], [40, 'NACK', ['a'], 'n'])
  assert.equal(line?.message?.length, 1024)
  assert.deepEqual(events, ['opened', 'sent', 'nack'])
})

test('X-10, X-11: stopping ends with UNAVAILABLE after at least one response, where one can be harmless', () => {
  const unanswered = bench()
  unanswered.send(ASK)
  unanswered.stream.stop()
  assert.deepEqual([unanswered.sent.length, unanswered.sent[0]?.resources], [1, undefined])
  assert.equal(unanswered.ends[0]?.code, 14)
  const answered = bench()
  answered.endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  answered.send(ASK)
  answered.stream.stop()
  assert.equal(answered.sent.length, 1)
  assert.equal(answered.ends[0]?.code, 14)
})

test('a stream that its client has left watches nothing, and its timers are gone', () => {
  const { send, stream, clock, events, context, endpoints, sent } = bench()
  endpoints.set(resource(ENDPOINT, 'a', 'v1'))
  send(ASK)
  stream.left()
  stream.closed()
  endpoints.set(resource(ENDPOINT, 'a', 'v2'))
  clock.advance(0)
  assert.deepEqual([endpoints.isWatched('a'), clock.pendingTimers, sent.length], [false, 0, 1])
  assert.deepEqual(context.status.nodes(), [])
  assert.equal(events.filter(event => event === 'closed').length, 1)
})

test('X-10: a stream that broke or that we ended is waited for, and then it watches nothing', async () => {
  for (const end of ['closed', 'refused'] as const) {
    const { send, stream, clock, endpoints, sent, context } = bench()
    endpoints.set(resource(ENDPOINT, 'a', 'v1'))
    send(ASK)
    if (end === 'closed') stream.closed()
    else stream.receive(Buffer.from([0xff]))
    endpoints.set(resource(ENDPOINT, 'a', 'v2'))
    const report = endpoints.acked('a', { timeoutMs: 1000 })
    clock.advance(1000)
    const { subscribers, pending } = await report
    assert.deepEqual(
      [subscribers, pending.map(({ node, state }) => [node, state])],
      [1, [['n', 'DISCONNECTED']]],
    )
    clock.advance(RETURN_MS - 1000)
    assert.deepEqual([endpoints.isWatched('a'), clock.pendingTimers, sent.length], [false, 0, 1])
    assert.deepEqual(context.status.nodes(), [])
  }
})

test('F62: secrets are told on loopback only, whatever the spelling of the address', () => {
  for (const peer of ['127.0.0.1:1', '127.9.9.9:80', '::1:80', '[::1]:80', '::ffff:127.0.0.1:80']) {
    assert.ok(isLoopbackPeer(peer), peer)
  }
  const others = [
    '10.0.0.1:80',
    '::ffff:10.0.0.1:80',
    '[::2]:80',
    '',
    'unknown',
    '128.0.0.1:1',
    '[fe80::1%lo]:1',
  ]
  for (const peer of others) assert.ok(!isLoopbackPeer(peer), peer)
})

test('F62: beyond loopback a typed stream of secrets ends, an aggregated one goes on without them', () => {
  const ask = { ...ASK, type_url: SECRET.typeUrl }
  const typed = bench({ implied: SECRET.typeUrl, peer: '10.0.0.1:1' })
  typed.send(ask)
  assert.equal(typed.ends[0]?.code, 7)
  assert.match(typed.ends[0]?.details ?? '', /on loopback only/)

  const aggregated = bench({ peer: '10.0.0.1:1' })
  aggregated.send(ask)
  aggregated.send(ask)
  aggregated.clusters.set(cluster('a'))
  aggregated.send({ type_url: CLUSTER.typeUrl })
  assert.deepEqual(
    aggregated.sent.map(each => each.type_url),
    [CLUSTER.typeUrl],
  )
  assert.deepEqual(
    aggregated.events.filter(event => event === 'withheld'),
    ['withheld', 'withheld'],
  )
  assert.equal(aggregated.log.filter(({ msg }) => /on loopback only/.test(msg)).length, 1)
  assert.deepEqual(
    aggregated.context.status.nodes()[0]?.types.map(({ typeUrl }) => typeUrl),
    [CLUSTER.typeUrl],
  )
})

test('F62: a poll from beyond loopback is refused secrets', async () => {
  const secrets = new LinearCache(SECRET)
  secrets.set(resource(SECRET, 'a', 'key'))
  let withheld = 0
  const fetching = new FetchServer({
    groups: fixedCaches(secrets),
    clock: new ManualClock(),
    identifier: 'me',
    isKnown: () => true,
    observer: { secretsWithheld: () => void withheld++ },
  })
  const [method] = fetching.methods
  assert.ok(method)
  const call = {
    body: { resource_names: ['a'] },
    expectedMs: undefined,
    signal: new AbortController().signal,
  }
  await assert.rejects(fetching.fetch(method, { ...call, peer: '::ffff:10.0.0.1:5' }), {
    code: 'ROLLCALL_SECRET_REFUSED',
  })
  assert.equal(withheld, 1)
  fetching.close()
})
