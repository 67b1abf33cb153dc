/** What the ports of both protocols share: how many connections wait to be taken, and what a taken port is told as. */
import { RollcallError } from './errors.ts'

/**
 * How many connections may wait to be taken, as far as the kernel allows (Linux: net.core.somaxconn, 4,096). Node asks
 * for 511; the rest of a herd then waits for its clients' SYN to be sent again, seconds to a minute later (F11).
 */
export const LISTEN_BACKLOG = 65_535

export interface PortAsked {
  readonly protocol: 'gRPC' | 'HTTP'
  readonly host: string
  readonly port: number
}

/** Why a port cannot be listened on: ROLLCALL_PORT_IN_USE where that is all, else the cause itself. */
export function listenError(cause: unknown, { protocol, host, port }: PortAsked): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') return cause
  const message = `the ${protocol} port ${port} of ${host} is already in use`
  const field = `--${protocol.toLowerCase()}-port`
  return new RollcallError('ROLLCALL_PORT_IN_USE', message, { field, value: port, cause })
}
