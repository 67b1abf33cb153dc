/** Where a client is, as a call shows it: its address and port, `127.0.0.1:4711` or `[::1]:4711`. */

/** The address alone: a client may come over several connections, each from a port of its own. */
export function hostOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':'))
}
