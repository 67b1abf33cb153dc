/** What callers may say. `settings.ts` checks it. */
import type { Server } from 'node:net'
import type { Check } from './health.ts'
import type { Logger } from './logger.ts'

export type Metadata = Readonly<Record<string, string | number | boolean>>

export interface CommonOptions {
  /** The name to register under; the `service_name` of the Envoy cluster. Letters, digits, `.`, `_` and `-`. */
  service: string
  /** One registry or several, tried in turn. Default ROLLCALL_REGISTRY (comma separated), else http://127.0.0.1:5000. */
  registry?: string | readonly string[] | undefined
  /** Default: a random UUID. A fixed one must be unique among the service's processes. */
  instanceId?: string | undefined
  /** A literal IP. Default ROLLCALL_ADDRESS, else the address that the registry sees. */
  address?: string | undefined
  /** 1 to 65,535: the share of requests relative to the others. Default 1. */
  weight?: number | undefined
  region?: string | undefined
  zone?: string | undefined
  subZone?: string | undefined
  /** 0 (first choice) to 127. Default 0. */
  priority?: number | undefined
  canary?: boolean | undefined
  /** At most 32 entries. */
  metadata?: Metadata | undefined
  /** The lease's time to live; heartbeats come at a third of it. Default: the registry's, 15,000. */
  ttlMs?: number | undefined
  /** Run before each heartbeat: one that throws, rejects, resolves with false or takes too long makes us unhealthy. */
  checks?: Readonly<Record<string, Check>> | undefined
  /** How long one check may take. Default 1,000; never more than half a heartbeat interval. */
  checkTimeoutMs?: number | undefined
  /** How long the drain waits for the clients to confirm, once for DRAINING and once for the removal. Default 5,000. */
  ackTimeoutMs?: number | undefined
  /** How long to keep serving after readiness fell where no registry can confirm. Default 5,000. */
  drainDelayMs?: number | undefined
  /** After this much time `close()` waits for nothing any more. Default 30,000. */
  deadlineMs?: number | undefined
  /** Called by `close()` when no request can come any more: close databases here. */
  onClose?: (() => unknown) | undefined
  /** Anything with pino's `info`, `warn` and `error`. Default: warnings and errors become process warnings. */
  logger?: Logger | undefined
  /** Aborting it is `close()`. */
  signal?: AbortSignal | undefined
}

export interface RegisterOptions extends CommonOptions {
  /** Where clients reach us. Default: the port of `server`. */
  port?: number | undefined
  /** Its port is read once it listens. The server stays yours: see `attach` for one that is drained and closed. */
  server?: Server | undefined
}

export interface AttachOptions extends CommonOptions {
  /** Where clients reach us, when that is not the port that the server listens on. */
  port?: number | undefined
  /** Readiness: 503 while a check fails and from the start of the drain. Default `/healthz`; false mounts nothing. */
  healthzPath?: string | false | undefined
  /** Liveness: 200 as long as the process answers. Default `/livez`; false mounts nothing. */
  livezPath?: string | false | undefined
  /** Signals that start `close()`, for instance `['SIGTERM']`. Default none. A second one ends the process at once. */
  drainOn?: readonly NodeJS.Signals[] | undefined
  /** Default 3,610,000: more than the hour for which Envoy keeps an idle connection. */
  keepAliveTimeoutMs?: number | undefined
}
