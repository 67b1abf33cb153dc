/** Each validator finds what it is there for in a history that was made bad by hand, and nothing in a good one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Act, History, type HistoryEvent, readHistory, type Sighting } from './history.ts'
import { validate } from './validators.ts'

const service = 's'
const node = 'n'
const [A, B] = ['127.0.0.1:1', '127.0.0.1:2']
const history = (...events: (Act | Sighting)[]): HistoryEvent[] =>
  events.map((event, index) => ({ at: index, ...event }))
const registered = (address: string): Act => ({ kind: 'registered', service, address })
const leaving = (address: string): Act => ({ kind: 'leaving', service, address })
const deregistered = (address: string): Act => ({ kind: 'deregistered', service, address })
const lost = (address: string): Act => ({ kind: 'lost', service, address })
const settled = (...addresses: string[]): Act => ({ kind: 'settled', service, addresses })
const sent = (nonce: string, ...addresses: string[]): Sighting => {
  const endpoints = addresses.map(address => ({ address, health: 'HEALTHY' }))
  return { kind: 'sent', node, stream: '1', nonce, version: `v${nonce}`, service, endpoints }
}
const removed = (nonce: string): Sighting => ({ ...sent(nonce), endpoints: undefined }) as Sighting
const acked = (nonce: string): Sighting => ({ kind: 'acked', node, stream: '1', nonce })
const nacked = (nonce: string): Sighting => ({ kind: 'nacked', node, stream: '1', nonce, message: 'no' })
const announced = (incarnation: number): Sighting => {
  return { kind: 'announced', event: 'updated', service, instanceId: 'i', incarnation, address: A }
}
const START = [registered(A), registered(B), sent('1', A, B), acked('1')]

const GOOD: Readonly<Record<string, HistoryEvent[]>> = {
  'a life': history(
    ...[sent('0'), acked('0'), ...START, leaving(A), sent('2', B), acked('2'), deregistered(A), announced(1)],
    ...[registered(A), announced(2), sent('3', B, A), acked('3'), settled(A, B)],
  ),
  'a lost one that is removed, and one that stays': history(
    ...START,
    lost(A),
    sent('2', B),
    acked('2'),
    settled(B),
  ),
  'empty when all have left': history(
    ...[...START, leaving(A), leaving(B), sent('2'), acked('2'), settled()],
  ),
  'all were lost, and the last stays': history(...START, lost(A), lost(B), sent('2', B), acked('2')),
}

const BAD: Readonly<Record<string, [violation: RegExp, events: HistoryEvent[]]>> = {
  'one host less': [/^nobodyIsToldAway: n .* without 127\.0\.0\.1:2,/, history(...START, sent('2', A))],
  'empty to an Envoy that has hosts': [/^noFalseEmpty: n .* as empty while/, history(...START, sent('2'))],
  'removed as a resource': [/^noFalseEmpty: /, history(...START, removed('2'))],
  'empty by expiry': [/^noFalseEmpty: /, history(...START, lost(A), lost(B), sent('2'))],
  'a stranger': [/^noStrangers: .*127\.0\.0\.1:2, which nobody/, history(registered(A), sent('1', A, B))],
  'revived after its removal': [
    /^removedStaysRemoved: .*127\.0\.0\.1:1 after/,
    history(...START, deregistered(A), sent('2', B), sent('3', A, B)),
  ],
  'an older incarnation': [/^monotoneIncarnations: s\/i: .* 1 after 2/, history(announced(2), announced(1))],
  'an address twice': [/^noDuplicates: /, history(registered(A), sent('1', A, A))],
  'another end than the registry': [/^eventualEquality: n ended with/, history(...START, settled(A))],
  'an end that was refused': [
    /^eventualEquality: n ended with/,
    history(...START, deregistered(A), sent('2', B), nacked('2'), settled(B)),
  ],
  'an end that was not ACKed': [
    /^eventualEquality: /,
    history(...START, deregistered(A), sent('2', B), settled(B)),
  ],
}

describe('the validators of histories', () => {
  for (const [what, events] of Object.entries(GOOD)) {
    test(`find nothing in: ${what}`, () => assert.deepEqual(validate(events), []))
  }
  for (const [what, [violation, events]] of Object.entries(BAD)) {
    test(`find: ${what}`, () => {
      assert.ok(
        validate(events).some(found => violation.test(found)),
        JSON.stringify(validate(events)),
      )
    })
  }

  test('a history is read back as it was recorded', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-'))
    const recorded = new History(join(folder, 'history.jsonl'))
    for (const event of START) recorded.record(event)
    assert.equal(recorded.events.length, START.length)
    assert.deepEqual(readHistory(join(folder, 'history.jsonl')), recorded.events)
    rmSync(folder, { recursive: true })
  })
})
