/**
 * The user's checks and what they make of us: the status that the heartbeat sends and the answer of `/healthz`.
 * Runs of one check do not pile up, and a probe never starts one: it reads the last results.
 */
import type { Logger } from './logger.ts'
import type { Status } from './registry-client.ts'

/** Throws, rejects or resolves with false when the process cannot serve. `signal` aborts when time is up. */
export type Check = (context: { signal: AbortSignal }) => unknown

export type CheckResult = 'pass' | 'fail' | 'timeout' | 'pending'

export interface Health {
  /** `starting` until every check has run once. */
  status: Extract<Status, 'starting' | 'healthy' | 'unhealthy' | 'draining'>
  /** 200 when healthy, else 503. */
  httpStatus: 200 | 503
  checks: Readonly<Record<string, CheckResult>>
}

/** Readiness and liveness, as a registration answers them. */
export interface HealthSource {
  healthz(): Health
  livez(): { status: 'alive'; httpStatus: 200 }
}

export class HealthChecks {
  readonly #checks: Readonly<Record<string, Check>>
  readonly #timeoutMs: number
  readonly #logger: Logger
  readonly #results = new Map<string, CheckResult>()
  readonly #runningSince = new Map<string, number>()
  #round: Promise<void> | undefined
  #isDraining = false

  constructor(checks: Readonly<Record<string, Check>>, timeoutMs: number, logger: Logger) {
    this.#checks = checks
    this.#timeoutMs = timeoutMs
    this.#logger = logger
    for (const name of Object.keys(checks)) this.#results.set(name, 'pending')
  }

  /** From now on readiness is 503, whatever the checks say. */
  drain(): void {
    this.#isDraining = true
  }

  /** Runs all checks, each for `mostMs` at the longest. Never rejects; a second caller joins the first. */
  run(mostMs: number = this.#timeoutMs): Promise<void> {
    const names = Object.keys(this.#checks)
    this.#round ??= Promise.all(names.map(name => this.#runOne(name, Math.min(mostMs, this.#timeoutMs))))
      .then(() => undefined)
      .finally(() => {
        this.#round = undefined
      })
    return this.#round
  }

  report(): Health {
    const results = [...this.#results.values()]
    const status = this.#isDraining
      ? 'draining'
      : results.includes('pending')
        ? 'starting'
        : results.every(each => each === 'pass')
          ? 'healthy'
          : 'unhealthy'
    return { status, httpStatus: status === 'healthy' ? 200 : 503, checks: Object.fromEntries(this.#results) }
  }

  async #runOne(name: string, timeoutMs: number): Promise<void> {
    // The last run ignored its signal and goes on: a new one each time would pile them up, none ever would
    // leave us unhealthy for as long as one dead connection hangs.
    const since = this.#runningSince.get(name)
    if (since !== undefined && performance.now() - since < 10 * timeoutMs) return
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), timeoutMs)
    timer.unref()
    const timedOut = new Promise<CheckResult>(resolve => {
      abort.signal.addEventListener('abort', () => resolve('timeout'), { once: true })
    })
    this.#runningSince.set(name, performance.now())
    let cause: unknown
    const work = Promise.resolve()
      .then(() => this.#checks[name]?.({ signal: abort.signal }))
      .then((value): CheckResult => (value === false ? 'fail' : 'pass'))
      .catch((error): CheckResult => {
        cause = error
        return 'fail'
      })
      .finally(() => this.#runningSince.delete(name))
    const result = await Promise.race([work, timedOut])
    clearTimeout(timer)
    const before = this.#results.get(name)
    this.#results.set(name, result)
    if (result !== 'pass' && result !== before)
      this.#logger.warn({ check: name, result, err: cause }, 'check failed')
    if (result === 'pass' && before !== 'pass' && before !== 'pending') {
      this.#logger.info({ check: name }, 'check passes again')
    }
  }
}
