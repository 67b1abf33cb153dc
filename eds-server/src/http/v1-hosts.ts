/** Instances as the first generation of the protocol shows them. Pure. */
import type { Instance, MetadataValue } from '../registry/instance.ts'
import { isOffered } from '../registry/instance.ts'

export interface V1Host {
  readonly ip_address: string
  readonly port: number
  readonly service: string
  readonly revision: string
  readonly service_repo_name: string
  /** ISO 8601. Without a lease nobody checks in again: the time of the registration. */
  readonly last_check_in: string
  readonly tags: Readonly<Record<string, MetadataValue>>
}

/** In metadata, but fields of their own here. */
const OWN_FIELDS = ['revision', 'service_repo_name'] as const
/** What this generation's clients take; a larger one makes them refuse the whole list. */
const WEIGHT_MAX = 100

/**
 * The hosts to use, sorted by address and port. This generation cannot say that a host is unwell, so such a host is
 * left out; but not where that would leave none: all being unwell at once is more likely our mistake.
 */
export function v1Hosts(instances: readonly Instance[]): V1Host[] {
  const offered = instances.filter(isOffered)
  const staying = offered.filter(({ status }) => status !== 'draining')
  const well = staying.filter(({ status, lapsed }) => status !== 'unhealthy' && !lapsed)
  const used = [well, staying, offered].find(each => each.length > 0) ?? []
  const heaviest = Math.max(...used.map(({ weight }) => weight))
  return [...used].sort(byAddress).map(each => v1Host(each, scaled(each.weight, heaviest)))
}

/** Keeps the shares where the weights do not fit into 1 to 100. */
function scaled(weight: number, heaviest: number): number {
  return heaviest <= WEIGHT_MAX ? weight : Math.max(1, Math.round((weight * WEIGHT_MAX) / heaviest))
}

function v1Host(instance: Instance, weight: number): V1Host {
  const { address, port, service, locality, canary, metadata, instanceId } = instance
  const others = Object.entries(metadata).filter(([key]) => !OWN_FIELDS.some(own => own === key))
  return {
    ip_address: address,
    port,
    service,
    revision: String(metadata.revision ?? ''),
    service_repo_name: String(metadata.service_repo_name ?? ''),
    last_check_in: new Date(instance.registeredAtMs).toISOString(),
    tags: {
      instance_id: instanceId,
      ...Object.fromEntries(others),
      ...(locality.zone !== '' && { az: locality.zone }),
      ...(locality.region !== '' && { region: locality.region }),
      canary: canary ?? false,
      load_balancing_weight: weight,
    },
  }
}

function byAddress(a: Instance, b: Instance): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1
  return a.port - b.port
}
