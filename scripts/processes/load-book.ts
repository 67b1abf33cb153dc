/** Books what became of each request: the counts of a LoadReport, and if wanted every single result in a file. */
import { appendFileSync } from 'node:fs'
import { instant, type LoadReport } from './load-report.ts'

/** One line of the file: `results` are [ms after `from` at which it was due, ms until answered, index of `outcomes`]. */
export interface RequestRecords {
  readonly kind: 'requests'
  /** An `instant()`. */
  readonly from: number
  /** `200 <body>`, or what went wrong. */
  readonly outcomes: string[]
  readonly results: [dueMs: number, latencyMs: number, outcome: number][]
}

const LINE_RESULTS = 1000
/** Characters of an answer: Envoy's reasons are up to 180 long. */
const BODY_SHOWN = 200
/** Latencies above this are counted as this in the quantiles; milliseconds. */
const LATENCY_MAX = 60_000

export class LoadBook {
  readonly #file: string | undefined
  readonly #startedAt = instant()
  readonly #latencies = new Uint32Array(LATENCY_MAX + 1)
  readonly #report: LoadReport = {
    requests: 0,
    failed: 0,
    statuses: {},
    errors: {},
    bodies: {},
    seconds: 0,
    slowestMs: 0,
    p50Ms: 0,
    p99Ms: 0,
    mostInFlight: 0,
  }
  #line: RequestRecords = emptyLine()
  #outcomes = new Map<string, number>()

  constructor(file: string | undefined) {
    this.#file = file
  }

  /** `dueAt` and `sentAt` are `instant()`s; the latency counts from the former. */
  answer(status: number, body: string, dueAt: number, sentAt: number): void {
    this.#report.statuses[status] = (this.#report.statuses[status] ?? 0) + 1
    if (status < 200 || status > 299) {
      this.error(`${status} ${body.slice(0, BODY_SHOWN)}`, dueAt)
      return
    }
    this.#time(`${status} ${body.slice(0, BODY_SHOWN)}`, dueAt)
    const seen = this.#report.bodies[body]
    if (seen === undefined) this.#report.bodies[body] = { count: 1, lastSentAt: sentAt }
    else {
      seen.count++
      if (sentAt > seen.lastSentAt) seen.lastSentAt = sentAt
    }
  }

  error(what: string, dueAt: number): void {
    this.#report.failed++
    this.#report.errors[what] = (this.#report.errors[what] ?? 0) + 1
    this.#time(what, dueAt)
  }

  inFlight(count: number): void {
    this.#report.mostInFlight = Math.max(this.#report.mostInFlight, count)
  }

  report(): LoadReport {
    const seconds = (instant() - this.#startedAt) / 1000
    return { ...this.#report, seconds, p50Ms: this.#quantile(0.5), p99Ms: this.#quantile(0.99) }
  }

  /** Writes what is not yet in the file. */
  flush(): void {
    if (this.#file !== undefined && this.#line.results.length > 0) {
      appendFileSync(this.#file, `${JSON.stringify(this.#line)}\n`)
    }
    this.#line = emptyLine()
    this.#outcomes = new Map()
  }

  #time(outcome: string, dueAt: number): void {
    const latencyMs = instant() - dueAt
    this.#report.requests++
    this.#report.slowestMs = Math.max(this.#report.slowestMs, latencyMs)
    const slot = Math.min(Math.ceil(latencyMs), LATENCY_MAX)
    this.#latencies[slot] = (this.#latencies[slot] ?? 0) + 1
    if (this.#file !== undefined) this.#record(outcome, dueAt, latencyMs)
  }

  #record(outcome: string, dueAt: number, latencyMs: number): void {
    let index = this.#outcomes.get(outcome)
    if (index === undefined) {
      index = this.#line.outcomes.push(outcome) - 1
      this.#outcomes.set(outcome, index)
    }
    this.#line.results.push([Math.round(dueAt - this.#line.from), Math.round(latencyMs), index])
    if (this.#line.results.length === LINE_RESULTS) this.flush()
  }

  #quantile(share: number): number {
    let left = share * this.#report.requests
    for (let slot = 0; slot < this.#latencies.length; slot++) {
      left -= this.#latencies[slot] ?? 0
      if (left <= 0) return slot
    }
    return LATENCY_MAX
  }
}

function emptyLine(): RequestRecords {
  return { kind: 'requests', from: instant(), outcomes: [], results: [] }
}
