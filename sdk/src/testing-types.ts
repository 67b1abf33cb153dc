/** What the test registry holds, hears and can be told. */
import type { Status } from './registry-client.ts'

export interface TestInstance {
  service: string
  instanceId: string
  incarnation: number
  address: string
  port: number
  status: Status
  /** Its heartbeats say that the main thread is blocked. */
  stalled: boolean
  weight: number
  metadata: Record<string, unknown>
  /** Heartbeats received in this life. */
  heartbeats: number
  [field: string]: unknown
}

export interface TestRequest {
  method: string
  /** Without the query. */
  path: string
  query: Record<string, string>
  body: unknown
  /** Milliseconds on a monotonic scale. */
  at: number
}

/** `error` answers 503, `hang` never answers, `reset` cuts the connection; an object is answered as a problem. */
export type FailMode =
  | 'none'
  | 'error'
  | 'hang'
  | 'reset'
  | { status: number; code: string; [member: string]: unknown }

export interface TestRegistryOptions {
  /** Default: any free port. */
  port?: number
  /** Default 15,000; heartbeats come at a third of it. */
  ttlMs?: number
  /** Clients that confirm everything at once. Default 1. */
  subscribers?: number
}
