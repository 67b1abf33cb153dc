/** The hand-written codec against the protobuf library. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  type Node,
} from '../../../eds-server/src/xds/discovery-request.ts'
import { NOTHING, ResponseEncoder } from '../../../eds-server/src/xds/discovery-response.ts'
import { PREFIX_BYTES } from '../../../eds-server/src/xds/message-reader.ts'
import { decoder, encoder } from '../../../eds-server/src/xds/protos.ts'
import { createResource } from '../../../eds-server/src/xds/resource.ts'
import { ENDPOINT, RUNTIME, VIRTUAL_HOST } from '../../../eds-server/src/xds/resource-type.ts'
import { MalformedMessage } from '../../../eds-server/src/xds/wire-reader.ts'
import { resource } from './watch-bench.ts'

const DISCOVERY = 'envoy.service.discovery.v3'
const encodeSotw = encoder(`${DISCOVERY}.DiscoveryRequest`)
const encodeDelta = encoder(`${DISCOVERY}.DeltaDiscoveryRequest`)
const text = fc.string({ unit: 'grapheme', maxLength: 300 })
const names = fc.array(text, { maxLength: 5 })
const error = fc.option(fc.record({ code: fc.nat(16), message: text }, { noNullPrototype: true }), {
  nil: undefined,
})
const TTL = 'xds.config.supports-resource-ttl'
const FEATURES = [TTL, 'xds.config.resource-in-sotw', 'xds.config.supports-resource-in-sotw', 'other']
const node = fc.record({
  id: text,
  cluster: text,
  user_agent_name: text,
  user_agent_version: text,
  metadata: fc.record({
    fields: fc.tuple(
      fc.constant({ key: 'zone', value: { list_value: { values: [{ number_value: 1 }] } } }),
      text.map(string_value => ({ key: 'fleet', value: { string_value } })),
    ),
  }),
  client_features: fc.subarray([...FEATURES]),
  extensions: fc.array(fc.record({ name: text, category: text }), { maxLength: 3 }),
})

function present(value: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined))
}

interface Sender {
  id: string
  cluster: string
  user_agent_name: string
  user_agent_version: string
  client_features: string[]
  metadata: { fields: [unknown, { value: { string_value: string } }] }
}

function nodeOf(value: Sender) {
  const { id, cluster, user_agent_name: userAgent, user_agent_version: userAgentVersion } = value
  const [, { value: fleet }] = value.metadata.fields
  const has = (...features: string[]) => features.some(each => value.client_features.includes(each))
  const features = { ttl: has(TTL), wrapped: has(...FEATURES.slice(1, 3)) }
  return { id, cluster, userAgent, userAgentVersion, features, fleet: fleet.string_value }
}

/** The request with what its node's metadata says. */
function read(request: { node: Node | undefined }) {
  if (!request.node) return request
  const { metadata, metadataStruct, ...node } = request.node
  assert.ok(metadataStruct)
  assert.deepEqual([metadata?.('zone'), metadata?.('none')], [undefined, undefined])
  return { ...request, node: { ...node, fleet: metadata?.('fleet') } }
}

test('a DiscoveryRequest that the library encodes is read as it was', () => {
  fc.assert(
    fc.property(
      text,
      node,
      names,
      text,
      text,
      error,
      (version, sender, resource_names, type, nonce, detail) => {
        const fields = { version_info: version, node: sender, resource_names, type_url: type }
        const bytes = encodeSotw(present({ ...fields, response_nonce: nonce, error_detail: detail }))
        const expected = { version, names: resource_names, typeUrl: type, nonce, error: detail }
        assert.deepEqual(read(decodeDiscoveryRequest(bytes, true)), { ...expected, node: nodeOf(sender) })
        assert.deepEqual(decodeDiscoveryRequest(bytes, false), { ...expected, node: undefined })
      },
    ),
  )
})

test('a DeltaDiscoveryRequest that the library encodes is read as it was', () => {
  fc.assert(
    fc.property(
      node,
      names,
      names,
      fc.dictionary(text, text, { noNullPrototype: true }),
      text,
      error,
      (sender, add, drop, has, nonce, detail) => {
        const bytes = encodeDelta(
          present({
            node: sender,
            type_url: ENDPOINT.typeUrl,
            resource_names_subscribe: add,
            resource_names_unsubscribe: drop,
            initial_resource_versions: Object.entries(has).map(([key, value]) => ({ key, value })),
            response_nonce: nonce,
            error_detail: detail,
          }),
        )
        assert.deepEqual(read(decodeDeltaDiscoveryRequest(bytes, true)), {
          node: nodeOf(sender),
          typeUrl: ENDPOINT.typeUrl,
          subscribe: add,
          unsubscribe: drop,
          initialVersions: new Map(Object.entries(has)),
          nonce,
          error: detail,
        })
      },
    ),
  )
})

test('an empty error_detail is a NACK too (X-13)', () => {
  assert.deepEqual(decodeDiscoveryRequest(encodeSotw({ error_detail: {} }), false).error, {
    code: 0,
    message: '',
  })
})

test('any bytes are a message or MalformedMessage, and nothing else happens', () => {
  const cut = fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => {
    const bytes = encodeDelta({
      type_url: 'x',
      resource_names_subscribe: ['a', 'b'],
      error_detail: { code: 1 },
    })
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), cut), bytes => {
      for (const decode of [decodeDiscoveryRequest, decodeDeltaDiscoveryRequest]) {
        try {
          decode(bytes, true)
        } catch (thrown) {
          assert.ok(thrown instanceof MalformedMessage, String(thrown))
        }
      }
    }),
    { numRuns: 20_000 },
  )
})

test('what is no message is refused: cut, overlong, group, wrong wire type, field zero', () => {
  const malformed = ['0a', '0a05', '0a0561', '80808080808080808080807f', '0b0c', '0801', '0000', '0aff']
  for (const hex of malformed) {
    assert.throws(() => decodeDiscoveryRequest(Buffer.from(hex, 'hex'), true), MalformedMessage, hex)
  }
  // Unknown fields of every wire type are passed over.
  const unknown = Buffer.from(
    'f80601f90600000000000000000afa060161fd06000000002a0161'.replace('0afa', 'fa'),
    'hex',
  )
  assert.equal(decodeDiscoveryRequest(unknown, true).nonce, 'a')
})

interface Decoded {
  version_info?: string
  nonce: string
  type_url: string
  resources: { type_url: string; value: Buffer; name: string; version: string; resource: { value: Buffer } }[]
  removed_resources?: string[]
  control_plane: { identifier: string }
}
const RESPONSE = {
  ...NOTHING,
  nonce: 'n1',
  version: 'v',
  resources: [resource(ENDPOINT, 'a', 'content a'), resource(ENDPOINT, 'b', 'content b')],
  removed: ['gone', 'missing'],
}

test('the library reads responses as they were meant, in both forms', () => {
  const responses = new ResponseEncoder('me')
  const sotw = decoder(`${DISCOVERY}.DiscoveryResponse`)(
    responses.sotw(ENDPOINT.typeUrl, RESPONSE).subarray(PREFIX_BYTES),
  ) as Decoded
  assert.deepEqual(
    [sotw.version_info, sotw.nonce, sotw.type_url, sotw.control_plane.identifier],
    ['v', 'n1', ENDPOINT.typeUrl, 'me'],
  )
  assert.deepEqual(
    sotw.resources.map(({ type_url, value }) => [type_url, value.toString()]),
    [
      [ENDPOINT.typeUrl, 'content a'],
      [ENDPOINT.typeUrl, 'content b'],
    ],
  )
  const delta = decoder(`${DISCOVERY}.DeltaDiscoveryResponse`)(
    responses.delta(ENDPOINT.typeUrl, RESPONSE).subarray(PREFIX_BYTES),
  ) as Decoded
  assert.deepEqual(
    [delta.nonce, delta.type_url, delta.removed_resources],
    ['n1', ENDPOINT.typeUrl, RESPONSE.removed],
  )
  assert.deepEqual(
    delta.resources.map(each => [each.name, each.version, each.resource.value.toString()]),
    RESPONSE.resources.map(({ name, version }) => [name, version, `content ${name}`]),
  )
})

test('streams share all but the nonce', () => {
  const responses = new ResponseEncoder('me')
  const [only] = RESPONSE.resources
  assert.ok(only)
  const one = { ...RESPONSE, resources: [only], removed: [] }
  for (const encode of ['sotw', 'delta'] as const) {
    const first = responses[encode](ENDPOINT.typeUrl, one)
    const second = responses[encode](ENDPOINT.typeUrl, { ...one, nonce: 'n2' })
    assert.equal(first.length, second.length)
    assert.equal(first.subarray(0, -2).compare(second.subarray(0, -2)), 0)
    assert.deepEqual([first.subarray(-2).toString(), second.subarray(-2).toString()], ['n1', 'n2'])
  }
})

const TIMED = { ...RESPONSE, resources: [], removed: [], isTimed: true }
const timed = createResource(RUNTIME, 'timed', Buffer.from('content'), { ttlMs: 1500 })
const plain = createResource(RUNTIME, 'plain', Buffer.from('content'))
const TTL_TOLD = decoder('google.protobuf.Duration')(
  encoder('google.protobuf.Duration')({ seconds: 1, nanos: 500_000_000 }),
)

test('X-44: delta tells the time to live in the resource, and alone in a heartbeat', () => {
  const responses = new ResponseEncoder('me')
  const decode = decoder(`${DISCOVERY}.DeltaDiscoveryResponse`)
  const read = (fields: object) =>
    decode(
      responses.delta(RUNTIME.typeUrl, { ...TIMED, ...fields }).subarray(PREFIX_BYTES),
    ) as unknown as Decoded & { resources: { ttl?: object; resource?: object; version: string }[] }
  const [told] = read({ resources: [timed] }).resources
  assert.deepEqual([told?.ttl, told?.resource !== undefined], [TTL_TOLD, true])
  const [untold] = read({ resources: [timed], isTimed: false }).resources
  assert.deepEqual([untold?.ttl, untold?.resource !== undefined], [undefined, true], 'a client without')
  const [beat] = read({ renewed: [timed] }).resources
  assert.deepEqual(beat, { name: 'timed', version: timed.version, ttl: TTL_TOLD })
})

test('X-44: state of the world tells it in a wrapper, and nothing that has none', () => {
  const responses = new ResponseEncoder('me')
  const decode = decoder(`${DISCOVERY}.DiscoveryResponse`)
  const read = (isTimed: boolean) =>
    decode(
      responses
        .sotw(RUNTIME.typeUrl, { ...TIMED, isTimed, resources: [timed, plain] })
        .subarray(PREFIX_BYTES),
    ) as unknown as Decoded
  const [wrapper, bare] = read(true).resources
  assert.equal(wrapper?.type_url, `type.googleapis.com/${DISCOVERY}.Resource`)
  const inner = decoder(`${DISCOVERY}.Resource`)(wrapper.value) as Decoded['resources'][number] & {
    ttl: object
  }
  assert.deepEqual([inner.name, inner.ttl, inner.resource.value.toString()], ['timed', TTL_TOLD, 'content'])
  assert.deepEqual([bare?.type_url, bare?.value.toString()], [RUNTIME.typeUrl, 'content'])
  assert.deepEqual(
    read(false).resources.map(({ type_url }) => type_url),
    [RUNTIME.typeUrl, RUNTIME.typeUrl],
  )
})

test('X-70: a name that leads to nothing is told as an alias of nothing', () => {
  const responses = new ResponseEncoder('me')
  const bytes = responses.delta(VIRTUAL_HOST.typeUrl, {
    ...TIMED,
    isTimed: false,
    unresolved: ['r/host'],
  })
  const read = decoder(`${DISCOVERY}.DeltaDiscoveryResponse`)(bytes.subarray(PREFIX_BYTES)) as Decoded
  assert.deepEqual(read.resources, [{ name: 'r/host', aliases: ['r/host'] }])
})
