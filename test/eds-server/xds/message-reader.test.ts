/** gRPC's framing on the way in, however the bytes are cut, beside a decoder that is given whole messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DELTA_FIELDS,
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  SOTW_FIELDS,
} from '../../../eds-server/src/xds/discovery-request.ts'
import { MessageReader, PREFIX_BYTES } from '../../../eds-server/src/xds/message-reader.ts'
import { encoder } from '../../../eds-server/src/xds/protos.ts'
import { Refusal } from '../../../eds-server/src/xds/request-check.ts'
import { MalformedMessage } from '../../../eds-server/src/xds/wire-reader.ts'

const encodeSotw = encoder('envoy.service.discovery.v3.DiscoveryRequest')
const encodeDelta = encoder('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const FORMS = [
  { decode: decodeDiscoveryRequest, nodeField: SOTW_FIELDS.NODE },
  { decode: decodeDeltaDiscoveryRequest, nodeField: DELTA_FIELDS.NODE },
] as const
const NODE = { id: 'n', cluster: 'c', metadata: { fields: [{ key: 'k', value: { string_value: 'v' } }] } }
const FIELDS = { version_info: 'v1', resource_names: ['a', 'b'], type_url: 't', response_nonce: '7' }
const ACK = encodeSotw({ ...FIELDS, node: NODE })

function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix[0] = flag
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** A reader and the messages that it took, each copied as it came. */
function reading(
  unread?: number,
  { limit = 4 * 1024 * 1024, encoding }: { limit?: number; encoding?: string } = {},
) {
  const messages: Buffer[] = []
  const take = (message: Buffer): void => void messages.push(Buffer.from(message))
  return { messages, reader: new MessageReader({ limit, encoding, unread: () => unread, take }) }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((from, index) => bytes.subarray(from, ends[index] ?? bytes.length))
}

/** What the decoder says, its complaint as a word: where it stops depends on what was left out before. */
function outcome(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (thrown) {
    assert.ok(thrown instanceof MalformedMessage, String(thrown))
    return 'malformed'
  }
}

test('a message is the same cut in two anywhere, and without its node', () => {
  const bytes = framed(ACK)
  for (let place = 0; place <= bytes.length; place += 1) {
    const { messages, reader } = reading(SOTW_FIELDS.NODE)
    for (const chunk of cut(bytes, [place])) reader.push(chunk)
    const [message = Buffer.alloc(0)] = messages
    assert.deepEqual(decodeDiscoveryRequest(message, false), decodeDiscoveryRequest(ACK, false), `${place}`)
    // Where the node itself was cut it was left out.
    if (place === Math.floor(bytes.length / 2))
      assert.equal(decodeDiscoveryRequest(message, true).node, undefined)
  }
})

test('byte by byte, messages come whole or without the field that is not read', () => {
  const all = reading()
  const some = reading(SOTW_FIELDS.NODE)
  const bytes = Buffer.concat([framed(ACK), framed(Buffer.alloc(0)), framed(ACK)])
  for (const byte of bytes) {
    all.reader.push(Buffer.of(byte))
    some.reader.push(Buffer.of(byte))
  }
  assert.deepEqual(all.messages, [ACK, Buffer.alloc(0), ACK])
  assert.deepEqual(some.messages[0], encodeSotw(FIELDS))
  assert.equal(all.reader.isWithinMessage, false)
  all.reader.push(Buffer.of(0))
  assert.equal(all.reader.isWithinMessage, true)
})

test('several messages in one chunk are taken in order', () => {
  const { messages, reader } = reading(SOTW_FIELDS.NODE)
  reader.push(
    Buffer.concat([framed(ACK), framed(encodeSotw({ type_url: 'x' })), framed(ACK).subarray(0, 20)]),
  )
  assert.equal(messages.length, 2)
  reader.push(framed(ACK).subarray(20))
  assert.equal(messages.length, 3)
})

test('any requests, cut anywhere, say what they say whole', () => {
  const text = fc.string({ maxLength: 300 })
  const request = fc.record({
    version_info: text,
    type_url: text,
    response_nonce: text,
    names: fc.array(text),
  })
  const node = fc.option(fc.record({ id: text, cluster: text }), { nil: undefined })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(request, node), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat()),
      (all, places) => {
        for (const { decode, nodeField } of FORMS) {
          const sent = all.map(([{ names, version_info, ...fields }, of]) =>
            nodeField === SOTW_FIELDS.NODE
              ? encodeSotw({ ...fields, version_info, resource_names: names, ...(of && { node: of }) })
              : encodeDelta({ ...fields, resource_names_subscribe: names, ...(of && { node: of }) }),
          )
          const { messages, reader } = reading(nodeField)
          for (const chunk of cut(Buffer.concat(sent.map(each => framed(each))), places)) reader.push(chunk)
          assert.deepEqual(
            messages.map(each => decode(each, false)),
            sent.map(each => decode(each, false)),
          )
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('any bytes, cut anywhere, are the same message or malformed all the same', () => {
  const damaged = fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(ACK)
    bytes[at % bytes.length] = byte
    return bytes
  })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map(each => Buffer.from(each)),
    damaged,
  )
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(), { maxLength: 5 }), (message, places) => {
      for (const { decode, nodeField } of FORMS) {
        const { messages, reader } = reading(nodeField)
        for (const chunk of cut(framed(message), places)) reader.push(chunk)
        assert.equal(messages.length, 1)
        assert.deepEqual(
          outcome(() => decode(messages[0] ?? Buffer.alloc(0), false)),
          outcome(() => decode(message, false)),
        )
      }
    }),
    { numRuns: 20_000 },
  )
})

test('X-56: what is announced above the limit is refused before a byte of it has come', () => {
  const { reader } = reading(undefined, { limit: 100 })
  const announced = framed(Buffer.alloc(101)).subarray(0, PREFIX_BYTES)
  assert.throws(
    () => reader.push(announced),
    (error: unknown) => error instanceof Refusal && error.code === 8,
  )
  const allowed = reading(undefined, { limit: 100 })
  allowed.reader.push(framed(Buffer.alloc(100)))
  assert.equal(allowed.messages.length, 1)
})

test('compressed messages are UNIMPLEMENTED; a flag without an encoding is INTERNAL', () => {
  for (const [flag, encoding, code] of [
    [1, 'gzip', 12],
    [1, undefined, 13],
    [1, 'identity', 13],
    [2, 'gzip', 13],
  ] as const) {
    const { reader } = reading(undefined, encoding === undefined ? {} : { encoding })
    assert.throws(
      () => reader.push(framed(ACK, flag)),
      (error: unknown) => error instanceof Refusal && error.code === code,
    )
  }
  const { messages, reader } = reading(undefined, { encoding: 'gzip' })
  reader.push(framed(ACK))
  assert.equal(messages.length, 1)
})
