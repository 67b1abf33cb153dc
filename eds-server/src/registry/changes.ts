/** The words in which changes are asked for and told. */
import type { Instance, Metadata, Status } from './instance.ts'

/**
 * `lapsed`: the lease is overdue. `renewed`: a lapsed one beat again. `expired`: removed by expiry. `superseded`:
 * removed because a newer life took its id or its address. `stalled`, `resumed`: its main thread is blocked; it is
 * not any more. The other names say what the holder did.
 */
export type RegistryEventType =
  | 'registered'
  | 'updated'
  | 'draining'
  | 'lapsed'
  | 'renewed'
  | 'stalled'
  | 'resumed'
  | 'expired'
  | 'deregistered'
  | 'superseded'

export interface RegistryEvent {
  readonly type: RegistryEventType
  /** The instance after the change; for a removal, as it last was. */
  readonly instance: Instance
  /** The same instance before the change, where there was one. */
  readonly previous: Instance | undefined
}

/** What a lease holder shows with every message. */
export interface LeaseKey {
  readonly incarnation: number
  readonly secret: string
}

/** What a heartbeat says besides that the instance is there. */
export interface Beat {
  /** Undefined: as before. */
  readonly status?: Status | undefined
  /** Missing: no. */
  readonly stalled?: boolean | undefined
}

/** What a registrant asks of its lease. */
export interface LeaseTerms {
  /** Brought by the caller, so that a repeated registration is recognised; missing: the registry makes one. */
  readonly secret?: string
  /** Milliseconds; missing: the registry's default. */
  readonly ttlMs?: number
}

export interface InstanceChange {
  readonly weight?: number
  readonly status?: Status
  readonly metadata?: Metadata
}

export interface Registered {
  readonly instance: Instance
  /** Undefined for an instance without a lease. */
  readonly leaseSecret: string | undefined
  /** True for a new life, false for an update of the present one. */
  readonly created: boolean
}
