/**
 * The address that clients are told to use: the option, else ROLLCALL_ADDRESS, else none, and then the
 * registry takes the address that the registration came from.
 */
import { isIP } from 'node:net'
import { OptionError } from './errors.ts'

const ALLOWED = 'a literal IPv4 or IPv6 address that others can connect to, without port, brackets or zone'
const WILDCARDS = new Set(['0.0.0.0', '::', '::0', '0:0:0:0:0:0:0:0'])

export function ownAddress(option: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (option !== undefined) return literal('address', option)
  return env.ROLLCALL_ADDRESS ? literal('ROLLCALL_ADDRESS', env.ROLLCALL_ADDRESS) : undefined
}

function literal(field: string, value: unknown): string {
  // A zone id means something on one host only (F43).
  if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%') || WILDCARDS.has(value)) {
    throw new OptionError(field, value, ALLOWED)
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(value)
  return mapped?.[1] ?? value
}
