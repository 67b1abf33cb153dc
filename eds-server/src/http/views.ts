/** Instances as the API shows them. Pure; never shows a secret, which the registry does not keep anyway. */
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
  readonly lease?: { readonly ttlMs: number; readonly heartbeatIntervalMs: number }
  /** ISO 8601. */
  readonly registeredAt: string
}

export function instanceView(instance: Instance): InstanceView {
  const { ttlMs, registeredAtMs, canary = false, ...said } = instance
  return {
    ...said,
    canary,
    ...(ttlMs !== undefined && { lease: { ttlMs, heartbeatIntervalMs: heartbeatIntervalMs(ttlMs) } }),
    registeredAt: new Date(registeredAtMs).toISOString(),
  }
}
