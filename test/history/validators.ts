/**
 * What must hold in every history, whatever was done to the world. Each validator is a pure function from a history
 * to the violations in it, a sentence each.
 */
import type { HistoryEvent } from './history.ts'

export type Validator = (history: readonly HistoryEvent[]) => string[]
type Sent = Extract<HistoryEvent, { kind: 'sent' }>

const key = (service: string, address: string): string => `${service} ${address}`
const told = ({ node, service, version }: Sent): string =>
  `${node} was told of ${service} (version ${version})`

/** No Envoy is told of fewer: a host that it has accepted stays until it leaves or is lost (F01, X-40). */
export const nobodyIsToldAway: Validator = history => {
  const violations: string[] = []
  const present = new Set<string>()
  const accepted = acceptedAddresses()
  for (const event of history) {
    if (event.kind === 'registered') present.add(key(event.service, event.address))
    if (event.kind === 'leaving' || event.kind === 'lost') present.delete(key(event.service, event.address))
    if (event.kind === 'sent') {
      const now = addressesOf(event)
      for (const address of accepted.of(event.node, event.service)) {
        if (now.has(address) || !present.has(key(event.service, address))) continue
        violations.push(`${told(event)} without ${address}, which neither left nor was lost`)
      }
    }
    accepted.follow(event)
  }
  return violations
}

/** No false empty: an assignment without endpoints only when nobody is registered. */
export const noFalseEmpty: Validator = history => {
  const violations: string[] = []
  const present = new Map<string, Set<string>>()
  const accepted = acceptedAddresses()
  for (const event of history) {
    if (event.kind === 'registered') addTo(present, event.service, event.address)
    if (event.kind === 'leaving') present.get(event.service)?.delete(event.address)
    if (event.kind === 'sent' && addressesOf(event).size === 0) {
      const had = [...accepted.of(event.node, event.service)]
      const still = had.filter(address => present.get(event.service)?.has(address))
      if (still.length > 0) violations.push(`${told(event)} as empty while ${still.join(', ')} is registered`)
    }
    accepted.follow(event)
  }
  return violations
}

/** No endpoint that was never registered. */
export const noStrangers: Validator = history => {
  const known = new Set<string>()
  return history.flatMap(event => {
    if (event.kind === 'registered') known.add(key(event.service, event.address))
    if (event.kind !== 'sent') return []
    const strangers = [...addressesOf(event)].filter(address => !known.has(key(event.service, address)))
    return strangers.map(address => `${told(event)} with ${address}, which nobody registered`)
  })
}

/** Removed stays removed unless it is registered again (F40). */
export const removedStaysRemoved: Validator = history => {
  const removed = new Set<string>()
  return history.flatMap(event => {
    if (event.kind === 'deregistered') removed.add(key(event.service, event.address))
    if (event.kind === 'registered') removed.delete(key(event.service, event.address))
    if (event.kind !== 'sent') return []
    const revived = [...addressesOf(event)].filter(address => removed.has(key(event.service, address)))
    return revived.map(address => `${told(event)} with ${address} after its removal`)
  })
}

/** The incarnations of an instance never go back (F40). */
export const monotoneIncarnations: Validator = history => {
  const newest = new Map<string, number>()
  return history.flatMap(event => {
    if (event.kind !== 'announced') return []
    const id = `${event.service}/${event.instanceId}`
    const before = newest.get(id) ?? 0
    newest.set(id, Math.max(before, event.incarnation))
    return event.incarnation < before
      ? [`${id}: "${event.event}" of incarnation ${event.incarnation} after ${before}`]
      : []
  })
}

/** No address twice in an assignment (F38, X-42). */
export const noDuplicates: Validator = history =>
  history.flatMap(event => {
    if (event.kind !== 'sent' || event.endpoints === undefined) return []
    return event.endpoints.length > addressesOf(event).size ? [`${told(event)} with an address twice`] : []
  })

/** Eventual equality: when all is quiet, what each Envoy accepted last is what the registry has. */
export const eventualEquality: Validator = history => {
  const violations: string[] = []
  const accepted = acceptedAddresses()
  for (const event of history) {
    accepted.follow(event)
    if (event.kind !== 'settled') continue
    const expected = [...event.addresses].sort().join(', ')
    for (const node of accepted.nodes(event.service)) {
      const has = [...accepted.of(node, event.service)].sort().join(', ')
      if (has !== expected)
        violations.push(`${node} ended with ${has || 'nothing'}, the registry with ${expected}`)
    }
  }
  return violations
}

const VALIDATORS: Readonly<Record<string, Validator>> = {
  nobodyIsToldAway,
  noFalseEmpty,
  noStrangers,
  removedStaysRemoved,
  monotoneIncarnations,
  noDuplicates,
  eventualEquality,
}

/** The violations that all validators find, each with the validator's name. */
export function validate(history: readonly HistoryEvent[]): string[] {
  return Object.entries(VALIDATORS).flatMap(([name, validator]) =>
    validator(history).map(violation => `${name}: ${violation}`),
  )
}

interface Accepted {
  follow(event: HistoryEvent): void
  of(node: string, service: string): ReadonlySet<string>
  nodes(service: string): string[]
}

/** Follows what each node has: the last assignment of each service that it ACKed. */
function acceptedAddresses(): Accepted {
  const pending = new Map<string, Sent[]>()
  const has = new Map<string, Map<string, ReadonlySet<string>>>()
  return {
    follow(event) {
      if (event.kind === 'sent') {
        const id = `${event.stream} ${event.nonce}`
        pending.set(id, [...(pending.get(id) ?? []), event])
      } else if (event.kind === 'acked' || event.kind === 'nacked') {
        const id = `${event.stream} ${event.nonce}`
        for (const sent of event.kind === 'acked' ? (pending.get(id) ?? []) : []) {
          const services = has.get(sent.node) ?? new Map()
          services.set(sent.service, addressesOf(sent))
          has.set(sent.node, services)
        }
        pending.delete(id)
      }
    },
    of: (node, service) => has.get(node)?.get(service) ?? new Set(),
    nodes: service => [...has].flatMap(([node, services]) => (services.has(service) ? [node] : [])),
  }
}

function addressesOf({ endpoints = [] }: Sent): Set<string> {
  return new Set(endpoints.map(({ address }) => address))
}

function addTo(sets: Map<string, Set<string>>, name: string, value: string): void {
  const set = sets.get(name) ?? new Set()
  sets.set(name, set.add(value))
}
