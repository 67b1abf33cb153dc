/** What the registry says when it refuses, in words. Each names the instance; none repeats a secret. */
import { RollcallError } from '../errors.ts'

function named(service: string, instanceId: string): string {
  return `instance ${JSON.stringify(instanceId)} of service ${JSON.stringify(service)}`
}

export function unknown(service: string, instanceId: string): RollcallError {
  const details = { field: 'instanceId', value: instanceId }
  return new RollcallError('ROLLCALL_INSTANCE_UNKNOWN', `there is no ${named(service, instanceId)}`, details)
}

export function unknownAddress(service: string, endpoint: string): RollcallError {
  const message = `service ${JSON.stringify(service)} has no instance at ${endpoint}`
  return new RollcallError('ROLLCALL_INSTANCE_UNKNOWN', message, { field: 'endpoint', value: endpoint })
}

/** F37: the first holder stays. */
export function conflict(service: string, instanceId: string): RollcallError {
  const message = `${named(service, instanceId)} has a live lease that is not yours`
  return new RollcallError('ROLLCALL_INSTANCE_CONFLICT', message, { field: 'instanceId', value: instanceId })
}

export function wrongSecret(service: string, instanceId: string): RollcallError {
  const message = `this is not the lease secret of ${named(service, instanceId)}`
  return new RollcallError('ROLLCALL_LEASE_SECRET_INVALID', message, { field: 'leaseSecret' })
}

export function expired(service: string, instanceId: string, incarnation: number): RollcallError {
  const message = `the lease of ${named(service, instanceId)} ran out: register again`
  return new RollcallError('ROLLCALL_LEASE_EXPIRED', message, { field: 'incarnation', value: incarnation })
}

export function deregistered(service: string, instanceId: string, incarnation: number): RollcallError {
  const message = `${named(service, instanceId)} was deregistered on purpose`
  return new RollcallError('ROLLCALL_INSTANCE_DEREGISTERED', message, {
    field: 'incarnation',
    value: incarnation,
  })
}

/** F40: a message of a life that is not the present one. */
export function superseded(service: string, instanceId: string, incarnation: number): RollcallError {
  const message = `incarnation ${incarnation} of ${named(service, instanceId)} is over: another life took its place`
  return new RollcallError('ROLLCALL_INCARNATION_SUPERSEDED', message, {
    field: 'incarnation',
    value: incarnation,
  })
}

export function full(what: string, limit: number): RollcallError {
  return new RollcallError('ROLLCALL_LIMIT_REACHED', `the limit of ${limit} ${what} is reached`, {
    value: limit,
  })
}
