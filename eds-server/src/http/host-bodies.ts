/** Lists of hosts as older APIs write them, with the parts of an instance under `tags`: schemas, and both directions. */
import {
  type Static,
  type TArray,
  type TBoolean,
  type TInteger,
  type TObject,
  type TOptional,
  type TString,
  Type,
} from 'typebox'
import { invalidArgument } from '../errors.ts'
import type { Host } from '../registry/hosts.ts'
import { hostPort, type Instance } from '../registry/instance.ts'
import type { AdmitAddress } from './address.ts'
import { closed, localityPart, port, weight } from './fields.ts'

const tags: TObject<{
  az: TOptional<TString>
  canary: TOptional<TBoolean>
  load_balancing_weight: TOptional<TInteger>
}> = Type.Object(
  {
    az: Type.Optional(localityPart),
    canary: Type.Optional(Type.Boolean({ description: 'true or false' })),
    load_balancing_weight: Type.Optional(weight),
  },
  { ...closed, description: 'an object with az, canary and load_balancing_weight' },
)

const host: TObject<{ ip_address: TString; port: TInteger; tags: TOptional<typeof tags> }> = Type.Object(
  {
    ip_address: Type.String({ description: 'a literal IPv4 or IPv6 address' }),
    port,
    tags: Type.Optional(tags),
  },
  { ...closed, description: 'a host: an object with ip_address, port and tags' },
)

export const hostsBody: TObject<{ hosts: TArray<typeof host> }> = Type.Object(
  { hosts: Type.Array(host, { maxItems: 10_000, description: 'an array of at most 10,000 hosts' }) },
  {
    ...closed,
    description: 'a JSON object with hosts',
    examples: [
      {
        hosts: [
          {
            ip_address: '127.0.0.1',
            port: 8081,
            tags: { az: 'us-central1-a', canary: false, load_balancing_weight: 50 },
          },
        ],
      },
    ],
  },
)

/** The hosts of a body, each of which may be registered, no two of them one. */
export function hostsIn({ hosts }: Static<typeof hostsBody>, admitAddress: AdmitAddress): Host[] {
  const seen = new Set<string>()
  return hosts.map(({ ip_address: given, port: portGiven, tags: said = {} }, index) => {
    const at = `hosts[${index}]`
    const address = admitAddress(given, portGiven, { address: `${at}.ip_address`, port: `${at}.port` })
    const name = hostPort({ address, port: portGiven })
    if (seen.has(name)) throw invalidArgument(at, name, 'given once: no two hosts share an address and port')
    seen.add(name)
    return {
      address,
      port: portGiven,
      ...(said.az !== undefined && { zone: said.az }),
      ...(said.canary !== undefined && { canary: said.canary }),
      ...(said.load_balancing_weight !== undefined && { weight: said.load_balancing_weight }),
    }
  })
}

export interface HostView {
  readonly ip_address: string
  readonly port: number
  readonly tags: { readonly az?: string; readonly canary?: boolean; readonly load_balancing_weight: number }
}

export function hostView({ address, port: portOf, locality, canary, weight: share }: Instance): HostView {
  return {
    ip_address: address,
    port: portOf,
    tags: {
      ...(locality.zone !== '' && { az: locality.zone }),
      ...(canary !== undefined && { canary }),
      load_balancing_weight: share,
    },
  }
}
