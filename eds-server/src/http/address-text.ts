/**
 * Addresses as text: one canonical spelling for each, and the IPv4 address that hides in an IPv6 one. Pure.
 * Only literals that `net.isIP` knows; it refuses 2852039166, 0xa9fea9fe, 127.1, octal and brackets (F58).
 */
import { isIP, isIPv4, SocketAddress } from 'node:net'
import { invalidArgument } from '../errors.ts'

const ADDRESS_RULE = 'an IPv4 or IPv6 address, without brackets, zone id, port or host name'

/** The canonical spelling: compressed lower-case IPv6; an IPv4-mapped address becomes the IPv4 address. */
export function canonicalAddress(text: string, field: string): string {
  const family = isIP(text)
  // isIP accepts fe80::1%eth0, but a zone means something on one host only.
  if (family === 0 || text.includes('%')) throw invalidArgument(field, text, ADDRESS_RULE)
  if (family === 4) return text
  const groups = ipv6Groups(text)
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  return isMapped
    ? ipv4Of(groups[6], groups[7])
    : new SocketAddress({ address: text, family: 'ipv6' }).address
}

/** The IPv4 address inside a NAT64 (64:ff9b::/96) or 6to4 (2002::/16) address: where a connection would go. */
export function embeddedIpv4(canonical: string): string | undefined {
  if (isIPv4(canonical)) return undefined
  const groups = ipv6Groups(canonical)
  if (groups[0] === 0x2002) return ipv4Of(groups[1], groups[2])
  const isNat64 = groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every(group => group === 0)
  return isNat64 ? ipv4Of(groups[6], groups[7]) : undefined
}

export interface HostPort {
  readonly address: string
  readonly port: number
}

/** `10.0.0.1:8081` or `[fd00::1]:8081`, canonical. Says nothing on whether it may be registered. */
export function parseHostPort(text: string, field: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]{1,64})\]|([^:]{1,64})):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  // A zone id would pass isIP: fe80::1%eth0.
  const isRightFamily =
    host !== undefined && !host.includes('%') && isIP(host) === (bracketed === undefined ? 4 : 6)
  const port = Number(digits)
  if (!isRightFamily || !(port <= 65_535)) {
    throw invalidArgument(field, text, 'an address and a port such as 127.0.0.1:8081 or [fd00::1]:8081')
  }
  return { address: canonicalAddress(host, field), port }
}

/** The eight groups of an IPv6 literal without a zone. */
function ipv6Groups(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const hex = dotted ? `${dotted[1]}${hexPair(dotted[2], dotted[3])}:${hexPair(dotted[4], dotted[5])}` : text
  const [head = '', tail] = hex.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail ?? '')
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}

function hexPair(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}

function ipv4Of(high = 0, low = 0): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}
