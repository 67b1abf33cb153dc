/**
 * What the app's thread and the heartbeat's thread say to each other, and errors in a form that survives the way:
 * a structured clone keeps neither their class nor their code. `id` names the registration.
 */
import { RegistryError, RollcallError, UnreachableError } from './errors.ts'
import type { HeartbeatNews, HeartbeatOptions } from './heartbeat.ts'
import type { Status } from './registry-client.ts'

/** Calls of the heartbeat; each is answered by `done`. */
export type Call = 'start' | 'enterDraining' | 'stop'

export interface OpenOptions extends HeartbeatOptions {
  registries: readonly string[]
  checkTimeoutMs: number
}

/** From the app's thread. */
export type Order = { id: number } & (
  | { type: 'open'; options: OpenOptions }
  | { type: 'call'; call: Call }
  /** The event loop turns: the answer to `ask`, at once. */
  | { type: 'awake' }
  /** The other answer to `ask`, when the checks have run. */
  | { type: 'checked'; status: Status }
)

/** From the heartbeat's thread. */
export type Word = { id: number } & (
  | { type: 'ask'; mostMs: number }
  | { type: 'done'; call: Call }
  | { type: 'news'; name: keyof HeartbeatNews; details: unknown[] }
)

interface Packed {
  packed: string
  message: string
  code: string
  status: number
  retryable: boolean
  field: string | undefined
  value: unknown
  cause: { message: string; code: unknown } | undefined
}

/** `value`, or an error in plain data. Values in errors come from JSON, so that they can be cloned. */
export function pack(value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { message, name: packed, cause } = value
  const { code, status, retryable, field, value: at } = value as Partial<RegistryError>
  const reason =
    cause instanceof Error
      ? { message: cause.message, code: (cause as NodeJS.ErrnoException).code }
      : undefined
  return { packed, message, code, status, retryable, field, value: at, cause: reason }
}

export function unpack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('packed' in value)) return value
  const { packed, message, code, status, retryable, field, value: at, cause } = value as Packed
  const reason = cause && Object.assign(new Error(cause.message), { code: cause.code })
  if (packed === UnreachableError.kind) return new UnreachableError(String(at), reason)
  const details = { retryable, field, value: at, cause: reason }
  if (packed === RegistryError.kind) return new RegistryError(status, code, message, details)
  return new RollcallError(code ?? 'ROLLCALL_INTERNAL', message, details)
}
