/**
 * Whole services as lists of hosts, for the APIs that name an instance by its address and know no leases. What they
 * say is an operator's word: it needs no key, and a holder of a lease keeps it. Each change happens as a whole or
 * not at all, in one turn of the event loop: of two that arrive together one comes after the other, and nobody ever
 * sees a mixture.
 */
import {
  hostPort,
  type Instance,
  type InstanceRecord,
  type Metadata,
  NO_LOCALITY,
  NO_METADATA,
} from './instance.ts'
import type { Registry } from './registry.ts'

/** What such an API says of one host. What is missing is left as it is. */
export interface Host {
  readonly address: string
  readonly port: number
  readonly region?: string
  readonly zone?: string
  readonly canary?: boolean
  readonly weight?: number
  readonly metadata?: Metadata
}

type Said = Pick<InstanceRecord, 'status' | 'weight' | 'locality' | 'priority' | 'canary' | 'metadata'>

const DEFAULTS: Said = {
  status: 'healthy',
  weight: 1,
  locality: NO_LOCALITY,
  priority: 0,
  canary: undefined,
  metadata: NO_METADATA,
}

/** Adds the host, or changes what is said of the one that is there. */
export function putHost(registry: Registry, service: string, host: Host): Instance {
  const { address, port } = host
  const present = registry.at(service, address, port)
  const said = merged(present ?? DEFAULTS, host)
  return registry.amendAt(service, address, port, said) ?? addHost(registry, service, host, said)
}

/** Afterwards the service has exactly these hosts, no two of which may share an address and port. */
export function replaceHosts(registry: Registry, service: string, hosts: readonly Host[]): void {
  const leaving = new Map((registry.instances(service) ?? []).map(each => [hostPort(each), each]))
  for (const host of hosts) leaving.delete(hostPort(host))
  // Before anything is changed: a limit must not leave half a list behind.
  const staying = (registry.instances(service)?.length ?? 0) - leaving.size
  registry.assertRoomFor(service, hosts.length - staying - leaving.size)
  registry.declare(service)
  for (const { address, port } of leaving.values()) registry.removeAt(service, address, port)
  for (const host of hosts) {
    const { address, port } = host
    const present = registry.at(service, address, port)
    // What a process says of itself stays where the list says nothing; what only lists said is replaced by the list.
    const said = merged(present?.ttlMs === undefined ? DEFAULTS : present, host)
    if (present) registry.amendAt(service, address, port, said)
    else addHost(registry, service, host, said)
  }
}

function merged(base: Said, { region, zone, ...host }: Host): Said {
  const { status, weight, priority, canary, metadata } = { ...base, ...host }
  const locality = {
    ...base.locality,
    ...(region !== undefined && { region }),
    ...(zone !== undefined && { zone }),
  }
  return { status, weight, locality, priority, canary, metadata }
}

function addHost(registry: Registry, service: string, { address, port }: Host, said: Said): Instance {
  let instanceId = `${address}:${port}`
  // Somebody at another address may go by this name.
  while (registry.get(service, instanceId)) instanceId += '-'
  return registry.register({ ...said, service, instanceId, address, port }, undefined).instance
}
