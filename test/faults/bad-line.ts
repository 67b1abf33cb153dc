/** A bad line between instances and their registry: what they ask gets lost, or takes long, there and back. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

export interface LineQuality {
  /** The share of requests that are swallowed, each without an answer. Default 0. */
  loss?: number
  /** Milliseconds that everything takes, one way. Default 0. */
  delayMs?: number
  /** Milliseconds that answers take on top. Default 0. */
  answerDelayMs?: number
}

export class BadLine implements AsyncDisposable {
  quality: LineQuality = {}
  requests = 0
  lost = 0
  /** Requests that are without an answer now, and that were at most. */
  inFlight = 0
  mostInFlight = 0
  /** How long each was waited for until its caller had an answer or gave up; milliseconds. */
  readonly waitedMs: number[] = []
  readonly #target: string
  readonly #agent = new Agent()
  readonly #server: Server = createServer((question, answer) => this.#take(question, answer))

  private constructor(target: string) {
    this.#target = target
  }

  static async to(target: string): Promise<BadLine> {
    const line = new BadLine(target)
    await new Promise<void>(resolve => line.#server.listen(0, '127.0.0.1', resolve))
    return line
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
    await this.#agent.destroy()
  }

  #take(question: IncomingMessage, answer: ServerResponse): void {
    const startedAt = performance.now()
    this.requests += 1
    this.inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    answer.once('close', () => {
      this.inFlight -= 1
      this.waitedMs.push(performance.now() - startedAt)
    })
    // A caller that gave up, or a registry that is away: no answer, as on any bad line.
    this.#pass(question, answer).catch(() => answer.destroy())
  }

  async #pass(question: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { loss = 0, delayMs = 0, answerDelayMs = 0 } = this.quality
    if (Math.random() < loss) {
      this.lost += 1
      question.resume()
      return
    }
    const body = Buffer.concat(await question.toArray())
    await delay(delayMs)
    const { host: _, connection: __, ...headers } = question.headers
    const passed = await request(this.#target + question.url, {
      method: question.method as 'GET',
      headers,
      body: body.length > 0 ? body : null,
      dispatcher: this.#agent,
    })
    const text = await passed.body.text()
    await delay(delayMs + answerDelayMs)
    const type = passed.headers['content-type']
    answer.writeHead(passed.statusCode, type === undefined ? {} : { 'content-type': String(type) }).end(text)
  }
}
