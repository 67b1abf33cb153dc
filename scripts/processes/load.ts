/**
 * Constant traffic from a process of its own, so that it disturbs neither the caller nor its timing. With a rate it
 * is an open loop: requests leave at fixed times whatever the answers do, so a stall is felt by as many requests as
 * real clients would have sent. Without one it is a closed loop: each of `concurrency` lanes sends its next request
 * when the last is answered.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { LoadReport } from './load-report.ts'
import { until, within } from './until.ts'

export interface LoadOptions {
  /** `http://host:port/path` */
  url: string
  protocol?: 'http/1.1' | 'h2'
  /** Of a closed loop: requests in flight. Default 16. */
  concurrency?: number
  /** Requests per second: an open loop. */
  ratePerSecond?: number | undefined
  /** A request without its whole answer by then has failed. Default 10,000. */
  timeoutMs?: number
  /** A file that every request's result is appended to, a `RequestRecords` a line. */
  recordTo?: string | undefined
}

export class Load implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  readonly #kill = (): void => {
    this.#process.kill('SIGKILL')
  }

  constructor(options: LoadOptions) {
    this.#process = fork(join(import.meta.dirname, 'load-process.ts'), [JSON.stringify(options)], {
      execArgv: ['--import', 'tsx'],
      detached: true,
    })
    process.once('exit', this.#kill)
    this.#exited = new Promise(resolve => {
      this.#process.once('exit', () => {
        process.off('exit', this.#kill)
        resolve()
      })
    })
  }

  /** What was counted so far. */
  async report(): Promise<LoadReport> {
    return await this.#ask('report')
  }

  /** Sends nothing new, waits for the requests in flight, and resolves with the final count. */
  async stop(): Promise<LoadReport> {
    const report = await this.#ask('stop')
    await this.#exited
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill()
    await this.#exited
  }

  async #ask(question: 'report' | 'stop'): Promise<LoadReport> {
    const answer = new Promise<LoadReport>(resolve => {
      this.#process.once('message', message => resolve(message as LoadReport))
    })
    const ended = this.#exited.then(() => {
      throw new Error('the load generator ended')
    })
    ended.catch(() => undefined)
    this.#process.send(question)
    return await within(20_000, `the load generator's answer to "${question}"`, Promise.race([answer, ended]))
  }
}

/** Resolves once the first answers are counted. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const load = new Load(options)
  try {
    await until(`${options.url} answers the load`, async () => (await load.report()).requests > 0)
    return load
  } catch (error) {
    await load[Symbol.asyncDispose]()
    throw error
  }
}
