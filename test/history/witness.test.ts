/** The witness passes discovery on unchanged, in all four forms, and knows what was sent and what was accepted. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { until } from '../../scripts/processes/until.ts'
import { FORMS, formName, RawClient } from '../conformance/raw-client.ts'
import { assignment } from '../conformance/resources.ts'
import { TestServer } from '../conformance/server.ts'
import { decodeAssignment } from '../world/assignments.ts'
import type { Sighting } from './history.ts'
import { Witness } from './witness.ts'

describe('the witness', () => {
  for (const form of FORMS) {
    test(`sees what is sent, ACKed, refused and lost (${formName(form)})`, async () => {
      const seen: Sighting[] = []
      const of = <Kind extends Sighting['kind']>(kind: Kind): Extract<Sighting, { kind: Kind }>[] =>
        seen.filter((each): each is Extract<Sighting, { kind: Kind }> => each.kind === kind)
      const server = await TestServer.start()
      await using witness = await Witness.start(server.port, sighting => seen.push(sighting))
      using client = new RawClient(witness.port)
      server.endpoints.set(assignment('s', 8081))
      const stream = client.stream(form, ENDPOINT, 'n')
      stream.subscribe(['s'])
      const first = await stream.next()
      stream.ack(first)
      await until('the ACK', () => of('acked').length === 1)
      const common = { node: 'n', stream: '1/1' }
      assert.deepEqual(of('acked'), [{ kind: 'acked', ...common, nonce: first.nonce }])
      const [sent] = of('sent')
      assert.deepEqual(sent?.endpoints, [{ address: '127.0.0.1:8081', health: 'HEALTHY' }])
      assert.deepEqual({ service: sent?.service, nonce: sent?.nonce }, { service: 's', nonce: first.nonce })
      assert.ok(sent?.version)

      const many = Array.from({ length: 2000 }, (_, index) => 10_000 + index)
      server.endpoints.set(assignment('s', ...many))
      const second = await stream.next()
      assert.equal(of('sent')[1]?.endpoints?.length, many.length, 'a message of several frames')
      stream.nack(second, 'too many')
      await until('the NACK', () => of('nacked').length === 1)
      assert.equal(of('nacked')[0]?.message, 'too many')

      await server[Symbol.asyncDispose]()
      assert.equal((await stream.ended).code, 14, 'UNAVAILABLE')
      await until('the end', () => witness.size === 0)
      assert.equal(of('disconnected').length, 1)
    })
  }

  const SOTW = { protocol: 'sotw', aggregated: false } as const

  test('cut, it passes nothing on, not even an end; healed, what was on its way arrives', async () => {
    await using server = await TestServer.start()
    await using witness = await Witness.start(server.port, () => undefined)
    using client = new RawClient(witness.port)
    server.endpoints.set(assignment('s', 8081))
    const stream = client.stream(SOTW, ENDPOINT)
    stream.subscribe(['s'])
    stream.ack(await stream.next())
    witness.cut()
    server.endpoints.set(assignment('s', 8082))
    await delay(100)
    assert.equal(stream.pending, 0)
    witness.heal()
    await stream.next()
  })

  test('slow, it keeps the order', async () => {
    await using server = await TestServer.start()
    await using witness = await Witness.start(server.port, () => undefined)
    using client = new RawClient(witness.port)
    server.endpoints.set(assignment('s', 8081))
    witness.delay(50)
    const stream = client.stream(SOTW, ENDPOINT)
    const startedAt = performance.now()
    stream.subscribe(['s'])
    const first = await stream.next()
    assert.ok(performance.now() - startedAt >= 100, 'there and back')
    stream.ack(first)
    server.endpoints.set(assignment('s', 8082))
    assert.notEqual((await stream.next()).version, first.version)
  })

  test('spoils one endpoint and records what was sent', async () => {
    const seen: Sighting[] = []
    await using server = await TestServer.start()
    await using witness = await Witness.start(server.port, sighting => seen.push(sighting))
    using client = new RawClient(witness.port)
    witness.spoil(30_000)
    server.endpoints.set(assignment('s', 20_000, 30_000))
    const stream = client.stream(SOTW, ENDPOINT)
    stream.subscribe(['s'])
    const [message = Buffer.alloc(0)] = (await stream.next()).messages
    const endpoints = decodeAssignment(message).endpoints?.[0]?.lb_endpoints ?? []
    const ports = endpoints.map(({ endpoint }) => endpoint.address.socket_address.port_value)
    assert.equal(ports[0], 20_000)
    assert.ok((ports[1] ?? 0) > 65_535, String(ports))
    const sent = seen.find(each => each.kind === 'sent')
    assert.deepEqual(
      sent?.endpoints?.map(({ address }) => address),
      ['127.0.0.1:20000', '127.0.0.1:30000'],
    )
  })
})
