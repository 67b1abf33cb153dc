/**
 * What the registry knows of one running process. An `InstanceRecord` is what the registrant says of itself,
 * already validated; an `Instance` adds what the registry says: its incarnation and its lease.
 */
export const STATUSES = ['starting', 'healthy', 'degraded', 'unhealthy', 'draining'] as const

/**
 * - `starting`: known, not yet offered to clients
 * - `healthy`: takes requests
 * - `degraded`: takes requests when the healthy ones are too few
 * - `unhealthy`: its own checks fail
 * - `draining`: leaving on purpose; takes no new requests
 */
export type Status = (typeof STATUSES)[number]

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subZone: string
}

export type MetadataValue = string | number | boolean
export type Metadata = Readonly<Record<string, MetadataValue>>

export interface InstanceRecord {
  readonly service: string
  readonly instanceId: string
  /** A literal IPv4 or IPv6 address in canonical text form, without brackets or zone id. */
  readonly address: string
  /** 1 to 65,535. */
  readonly port: number
  readonly status: Status
  /** 1 to 65,535; a share relative to the other instances of the locality. Default 1. */
  readonly weight: number
  readonly locality: Locality
  /** 0 (first) to 127. Default 0. */
  readonly priority: number
  /** Undefined where the registrant said nothing. */
  readonly canary: boolean | undefined
  /** At most 32 keys and 4 KiB. A null-prototype object. */
  readonly metadata: Metadata
}

export interface Instance extends InstanceRecord {
  /** Names this life of the instance; larger than that of every earlier life of any instance. */
  readonly incarnation: number
  /** True while the lease is overdue but the instance is still kept (`suspect`). */
  readonly lapsed: boolean
  /** True while its heartbeats say that its main thread is blocked: it lives, and serves nobody just then. */
  readonly stalled: boolean
  /** The lease's time to live in milliseconds; undefined for an instance without a lease, kept until removed. */
  readonly ttlMs: number | undefined
  /** Wall time of the registration, milliseconds since 1970, for display. */
  readonly registeredAtMs: number
}

export const NO_LOCALITY: Locality = Object.freeze({ region: '', zone: '', subZone: '' })
/** Shared by all that have none: at a hundred thousand instances an empty object each is 18 MB. */
export const NO_METADATA: Metadata = Object.freeze(Object.create(null) as Metadata)

/** What the registry says of an instance; the name of its service is the one string that all its instances share. */
export type Standing = Omit<Instance, Exclude<keyof InstanceRecord, 'service'>>

/**
 * The two together, written out field by field: an object made by spreading takes four times the memory, and even one
 * that is thrown away at once takes 2 KB of the heap's old part, which grows by it.
 */
export function instanceOf(record: InstanceRecord, standing: Standing): Instance {
  return {
    service: standing.service,
    instanceId: record.instanceId,
    address: record.address,
    port: record.port,
    status: record.status,
    weight: record.weight,
    locality: record.locality,
    priority: record.priority,
    canary: record.canary,
    metadata: record.metadata,
    incarnation: standing.incarnation,
    lapsed: standing.lapsed,
    stalled: standing.stalled,
    ttlMs: standing.ttlMs,
    registeredAtMs: standing.registeredAtMs,
  }
}

export function copyOf(instance: Instance): Instance {
  return instanceOf(instance, instance)
}

/** True when clients are told of the instance at all: one that is still starting is not offered. */
export function isOffered(instance: Instance): boolean {
  return instance.status !== 'starting'
}

/** `address:port` with brackets around IPv6; the identity of an instance towards clients. */
export function hostPort(instance: Pick<InstanceRecord, 'address' | 'port'>): string {
  return instance.address.includes(':')
    ? `[${instance.address}]:${instance.port}`
    : `${instance.address}:${instance.port}`
}

/** True when the two differ in nothing that a registrant or the lease says. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  const { locality, metadata } = a
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.status === b.status &&
    a.lapsed === b.lapsed &&
    a.stalled === b.stalled &&
    a.weight === b.weight &&
    a.priority === b.priority &&
    a.canary === b.canary &&
    a.ttlMs === b.ttlMs &&
    locality.region === b.locality.region &&
    locality.zone === b.locality.zone &&
    locality.subZone === b.locality.subZone &&
    isSameMetadata(metadata, b.metadata)
  )
}

function isSameMetadata(a: Metadata, b: Metadata): boolean {
  if (a === b) return true
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && a[key] === b[key])
  )
}
