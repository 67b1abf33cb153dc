/**
 * The headers by which the holder of a lease proves itself. Read by hand: they come with every heartbeat. A
 * missing or malformed one is answered like a wrong one, 401, and a secret is never repeated (F59, F60).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { RollcallError, shown } from '../errors.ts'
import type { LeaseKey } from '../registry/changes.ts'
import { isLeaseSecret, LEASE_SECRET_RULE } from './names.ts'

export const SECRET_HEADER = 'rollcall-lease-secret'
export const INCARNATION_HEADER = 'rollcall-incarnation'

/** The key that both headers make. */
export function leaseKey(headers: IncomingHttpHeaders): LeaseKey {
  const secret = headers[SECRET_HEADER]
  if (!isLeaseSecret(secret)) {
    throw unauthorized(
      SECRET_HEADER,
      undefined,
      secret === undefined ? 'is missing' : `is not ${LEASE_SECRET_RULE}`,
    )
  }
  const given = headers[INCARNATION_HEADER]
  const incarnation = typeof given === 'string' && /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN
  if (Number.isSafeInteger(incarnation)) return { incarnation, secret }
  throw unauthorized(
    INCARNATION_HEADER,
    given,
    given === undefined ? 'is missing' : `${shown(given)} is not a number`,
  )
}

/** Undefined when neither header is there: right for an instance without a lease, refused by the registry for others. */
export function optionalLeaseKey(headers: IncomingHttpHeaders): LeaseKey | undefined {
  const hasNone = headers[SECRET_HEADER] === undefined && headers[INCARNATION_HEADER] === undefined
  return hasNone ? undefined : leaseKey(headers)
}

/** The secret that a registrant brings along, if it does. */
export function broughtSecret(headers: IncomingHttpHeaders): string | undefined {
  const secret = headers[SECRET_HEADER]
  if (secret === undefined || isLeaseSecret(secret)) return secret
  const message = `${SECRET_HEADER}: is not ${LEASE_SECRET_RULE}`
  throw new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, { field: SECRET_HEADER })
}

function unauthorized(field: string, value: unknown, reason: string): RollcallError {
  return new RollcallError('ROLLCALL_LEASE_SECRET_INVALID', `${field}: ${reason}`, { field, value })
}
