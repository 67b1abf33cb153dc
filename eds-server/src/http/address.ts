/**
 * Which addresses may be registered. To register an address makes clients connect there on the registrant's
 * behalf, health checks included: without a policy the registry is a way into every network that a client can
 * reach (F58). Refused ranges come first and nothing overrides them; beyond them an allow-list decides. Pure.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'
import { RollcallError, shown } from '../errors.ts'
import { canonicalAddress, embeddedIpv4 } from './address-text.ts'

/** Unspecified, link-local (cloud metadata services among them), multicast and reserved ranges. */
const REFUSED = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fd00:ec2::254/128',
  'ff00::/8',
]
const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** RFC 1918 and RFC 4193. */
export const DEFAULT_ALLOWED: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
]

/** The usual administration ports of proxies and of etcd, refused at every address. */
export const DEFAULT_ADMIN_PORTS: readonly number[] = [9901, 2379, 2380]

export interface AddressPolicyOptions {
  /** True when the registry itself can be reached over loopback only; then, and only then, loopback is allowed. */
  readonly loopbackOnly: boolean
  /** The ports that this process listens on, asked at each registration. */
  readonly ownPorts: () => readonly number[]
  /** The addresses of this machine, asked only for a port in `ownPorts`. */
  readonly ownAddresses: () => readonly string[]
  /** Default {@link DEFAULT_ADMIN_PORTS}. */
  readonly adminPorts?: readonly number[]
  /** CIDR ranges, default {@link DEFAULT_ALLOWED}. Loopback is not a matter of this list. */
  readonly allow?: readonly string[]
}

/** The canonical address if address and port may be registered; ROLLCALL_ADDRESS_REFUSED that names the field if not. */
export type AdmitAddress = (address: string, port: number, fields?: AddressFields) => string

export interface AddressFields {
  readonly address: string
  readonly port: string
}

const FIELDS: AddressFields = { address: 'address', port: 'port' }

export function createAddressPolicy(options: AddressPolicyOptions): AdmitAddress {
  const refused = blockList(REFUSED)
  const loopback = blockList(LOOPBACK)
  const allowed = blockList(options.allow ?? DEFAULT_ALLOWED)
  const adminPorts = new Set(options.adminPorts ?? DEFAULT_ADMIN_PORTS)

  function assertReachable(address: string, given: string, field: string): void {
    if (contains(refused, address)) throw refusal(field, given, 'an address that no service can have')
    if (contains(loopback, address)) {
      if (options.loopbackOnly) return
      throw refusal(field, given, 'a loopback address, and this registry serves other machines too')
    }
    if (!contains(allowed, address)) throw refusal(field, given, 'outside the allowed ranges')
  }

  function assertPort(address: string, port: number, field: string): void {
    if (port === 0) throw refusal(field, port, 'not a port that can be connected to')
    if (adminPorts.has(port)) throw refusal(field, port, 'an administration port')
    if (!options.ownPorts().includes(port)) return
    const isOwn = contains(loopback, address) || options.ownAddresses().includes(address)
    if (isOwn) throw refusal(field, port, "one of the registry's own ports")
  }

  return (address, port, fields = FIELDS) => {
    const canonical = canonicalAddress(address, fields.address)
    // NAT64 and 6to4 lead to an IPv4 address: that is the one to judge. The spelling stays, it is the route there.
    const target = embeddedIpv4(canonical) ?? canonical
    assertReachable(target, address, fields.address)
    assertPort(target, port, fields.port)
    return canonical
  }
}

/** True for `10.0.0.0/8` and the like. */
export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  return (
    rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  )
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return list
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function refusal(field: string, value: unknown, reason: string): RollcallError {
  return new RollcallError('ROLLCALL_ADDRESS_REFUSED', `${field}: ${shown(value)} is ${reason}`, {
    field,
    value,
  })
}
