/** Who may change a life: its holder, who shows incarnation and secret; and anybody, where there is no lease. */
import type { LeaseKey, LeaseTerms } from './changes.ts'
import type { Holding } from './lease.ts'
import { conflict, superseded, wrongSecret } from './refusals.ts'

/** Whether a registration is of the life that is held; throws ROLLCALL_INSTANCE_CONFLICT where it may not replace it. */
export function isSameLife(held: Holding, lease: LeaseTerms | undefined): boolean {
  if (held.instance.ttlMs === undefined) return lease === undefined
  if (lease?.secret !== undefined && held.isHeldWith(lease.secret)) return true
  // A lapsed lease protects its id no longer; a live one does.
  if (held.instance.lapsed) return false
  throw conflict(held.instance.service, held.instance.instanceId)
}

/** Throws unless the key is of the life that is held. It may be missing only where there is no lease. */
export function assertHolder(held: Holding, key: LeaseKey | undefined): void {
  const { service, instanceId, incarnation, ttlMs } = held.instance
  if (ttlMs === undefined && key === undefined) return
  if (key && key.incarnation !== incarnation) throw superseded(service, instanceId, key.incarnation)
  if (!key || !held.isHeldWith(key.secret)) throw wrongSecret(service, instanceId)
}
