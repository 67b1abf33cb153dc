/** Instances as the API shows them. Pure; shows no secret but a new one, which the registry does not keep anyway. */
import type { Instance, Locality, Metadata, Status } from '../registry/instance.ts'
import { heartbeatIntervalMs } from '../registry/lease.ts'

export interface InstanceView {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly address: string
  readonly port: number
  readonly status: Status
  readonly weight: number
  readonly locality: Locality
  readonly priority: number
  readonly canary: boolean
  readonly metadata: Metadata
  readonly lapsed: boolean
  readonly stalled: boolean
  /** Missing for an instance without a lease. */
  lease?: { readonly ttlMs: number; readonly heartbeatIntervalMs: number }
  /** ISO 8601. */
  readonly registeredAt: string
}

export interface RegistrationView extends InstanceView {
  /** Missing for an instance without a lease. */
  leaseSecret?: string
}

/** Written out field by field, as the instance is: every registration is answered with one. */
export function instanceView(instance: Instance): InstanceView {
  const { ttlMs } = instance
  const view: InstanceView = {
    service: instance.service,
    instanceId: instance.instanceId,
    incarnation: instance.incarnation,
    address: instance.address,
    port: instance.port,
    status: instance.status,
    weight: instance.weight,
    locality: instance.locality,
    priority: instance.priority,
    canary: instance.canary ?? false,
    metadata: instance.metadata,
    lapsed: instance.lapsed,
    stalled: instance.stalled,
    registeredAt: new Date(instance.registeredAtMs).toISOString(),
  }
  if (ttlMs !== undefined) view.lease = { ttlMs, heartbeatIntervalMs: heartbeatIntervalMs(ttlMs) }
  return view
}

/** An instance and the secret of its lease, which is shown in the answer to its registration and nowhere else. */
export function registrationView(instance: Instance, leaseSecret: string | undefined): RegistrationView {
  const view: RegistrationView = instanceView(instance)
  if (leaseSecret !== undefined) view.leaseSecret = leaseSecret
  return view
}
