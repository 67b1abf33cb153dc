/** A whole EDS server in this process, on ports of its own, memory only; its log is kept. */
import { pino } from 'pino'
import { type Clock, systemClock } from '../../eds-server/src/clock.ts'
import { parseConfig } from '../../eds-server/src/config.ts'
import { type RunningServer, startServer } from '../../eds-server/src/server.ts'

export interface HttpAnswer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says
  readonly body: any
}

export class TestedServer implements AsyncDisposable {
  readonly log: string[] = []
  readonly #running: RunningServer

  private constructor(running: RunningServer, log: string[]) {
    this.#running = running
    this.log = log
  }

  static async start(...args: readonly string[]): Promise<TestedServer> {
    return await TestedServer.startWith(systemClock, ...args)
  }

  static async startWith(clock: Clock, ...args: readonly string[]): Promise<TestedServer> {
    const log: string[] = []
    const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) })
    const ports = ['--grpc-port', '0', '--http-port', '0', '--data-dir', 'none']
    return new TestedServer(await startServer(parseConfig([...ports, ...args], {}), logger, clock), log)
  }

  get grpcPort(): number {
    return this.#running.grpcPort
  }

  get url(): string {
    return `http://127.0.0.1:${this.#running.httpPort}`
  }

  async call(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    const response = await fetch(this.url + path, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, text, body: isJson && text !== '' ? JSON.parse(text) : text }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.stop()
  }
}
