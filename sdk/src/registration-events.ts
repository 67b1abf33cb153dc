/** The states of a registration and what it tells its listeners. */
import type { DrainReport } from './drain.ts'
import type { RollcallError } from './errors.ts'

/**
 * - `starting`: not registered yet; the server may not listen yet
 * - `registered`: the lease is held
 * - `retrying`: the registry cannot be reached or said no; we go on trying and the app goes on serving
 * - `draining`: leaving
 * - `deregistered`: no client has us any more, or someone else deregistered us; the app still serves
 * - `closed`: all is released
 */
export type State = 'starting' | 'registered' | 'retrying' | 'draining' | 'deregistered' | 'closed'

export interface RegisteredEvent {
  service: string
  instanceId: string
  incarnation: number
  address: string
  port: number
  registry: string
}

export interface RegistrationEvents {
  registered: RegisteredEvent
  /** The first failure of a row, not each one. */
  heartbeatFailed: { error: unknown; retryInMs: number }
  /** The registry no longer has us, against our will. */
  lost: { error: RollcallError }
  reregistered: RegisteredEvent
  draining: { instanceId: string }
  deregistered: { by: 'self'; report: DrainReport } | { by: 'registry'; error: RollcallError }
  closed: { instanceId: string }
}

export interface WaitOptions {
  /** Default 10,000. */
  timeoutMs?: number
}
