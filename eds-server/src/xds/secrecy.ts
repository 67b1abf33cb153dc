/** Who may be told secrets: nothing that this server says is encrypted, so only who cannot be overheard (F62). */
import { BlockList, isIP } from 'node:net'
import { hostOf } from './peer.ts'

export const SECRETS_WITHHELD =
  'secrets are told to clients on loopback only: this connection is not encrypted'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** `peer`: address and port, the address of IPv6 with or without brackets. */
export function isLoopbackPeer(peer: string): boolean {
  const address = hostOf(peer).replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  // An IPv4 address that is mapped into IPv6 is checked as what it is.
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
