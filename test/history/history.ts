/**
 * What happened in a run, in the order of time, as JSON lines: what was asked of the registry, what it announced,
 * what Envoys were sent and what they accepted. Judged afterwards by validators.ts. The results of the requests are
 * in files of their own beside it (load-book.ts).
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { instant } from '../../scripts/processes/load-report.ts'

export interface Endpoint {
  /** `127.0.0.1:8081` */
  readonly address: string
  readonly health: string
}

/** What was done to the world, by the test itself. */
export type Act =
  /** From now on the service may have this address. */
  | { readonly kind: 'registered'; readonly service: string; readonly address: string }
  /** It is about to be deregistered: it may be removed at any moment. */
  | { readonly kind: 'leaving'; readonly service: string; readonly address: string }
  /** It was deregistered and that was answered: from now on nobody is to be told of it. */
  | { readonly kind: 'deregistered'; readonly service: string; readonly address: string }
  /** It was killed or cut off: it may be marked or removed, but the last ones stay. */
  | { readonly kind: 'lost'; readonly service: string; readonly address: string }
  /** Anything else that explains the history: a kill, a restart, a cut. */
  | { readonly kind: 'note'; readonly what: string }
  /** All is quiet: what the registry has now is what everybody must have. */
  | { readonly kind: 'settled'; readonly service: string; readonly addresses: readonly string[] }

/** What was seen from outside. */
export type Sighting =
  /** A change that the registry announced. */
  | {
      readonly kind: 'announced'
      readonly event: string
      readonly service: string
      readonly instanceId: string
      readonly incarnation: number
      readonly address: string
    }
  /** An assignment on its way to an Envoy; `endpoints` is undefined for a removed resource (delta). */
  | {
      readonly kind: 'sent'
      readonly node: string
      readonly stream: string
      readonly nonce: string
      readonly version: string
      readonly service: string
      readonly endpoints: readonly Endpoint[] | undefined
    }
  | {
      readonly kind: 'acked'
      readonly node: string
      readonly stream: string
      readonly nonce: string
    }
  | {
      readonly kind: 'nacked'
      readonly node: string
      readonly stream: string
      readonly nonce: string
      /** What the client said. */
      readonly message: string
    }
  | { readonly kind: 'connected'; readonly stream: string }
  | { readonly kind: 'disconnected'; readonly stream: string }

/** `at` is an `instant()`. */
export type HistoryEvent = (Act | Sighting) & { readonly at: number }

export class History {
  readonly events: HistoryEvent[] = []
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  record(event: Act | Sighting): void {
    const dated = { at: Math.round(instant() * 1000) / 1000, ...event }
    this.events.push(dated)
    appendFileSync(this.#file, `${JSON.stringify(dated)}\n`)
  }
}

export function readHistory(file: string): HistoryEvent[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line) as HistoryEvent)
}
