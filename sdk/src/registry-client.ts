/**
 * The registry's HTTP API as calls. It owns the connections, tries several registries in turn and reads every
 * body to its end. It knows nothing of leases going lost, schedules or states: it answers or it throws.
 */
import { Agent, request } from 'undici'
import {
  ANSWER_INVALID,
  isDelivery,
  isNothing,
  isRegisterAnswer,
  type RegisterAnswer,
  read,
  unintelligible,
} from './answers.ts'
import { type DeliveryReport, RegistryError, UnreachableError } from './errors.ts'

export type Status = 'starting' | 'healthy' | 'degraded' | 'unhealthy' | 'draining'

/** What proves that a call speaks for this life of the instance. */
export interface Lease {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly secret: string
}

/** What a heartbeat says besides that we are there. */
export interface Beat {
  /** Undefined when it is no news. */
  status: Status | undefined
  /** The process lives, but its event loop is blocked. */
  stalled: boolean
}

/** `timeoutMs` is for one registry; the next one gets as much again. */
export interface CallLimits {
  timeoutMs: number
  signal?: AbortSignal | undefined
}

interface Call<Answer> extends CallLimits {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  headers?: Record<string, string>
  body?: unknown
  isAnswer: (value: unknown) => value is Answer
}

type Identity = Pick<Lease, 'service' | 'instanceId'>

export class RegistryClient {
  readonly #urls: readonly string[]
  readonly #agent: Agent = new Agent({ keepAliveTimeout: 30_000, maxResponseSize: 1024 * 1024 })
  #preferred = 0

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  /** The registry that answered last, or is tried next. */
  get url(): string {
    return this.#urls[this.#preferred] as string
  }

  /** Tries this one first from now on. */
  prefer(url: string): void {
    this.#preferred = Math.max(0, this.#urls.indexOf(url))
  }

  get count(): number {
    return this.#urls.length
  }

  async register(id: Identity, record: object, secret: string, limits: CallLimits): Promise<RegisterAnswer> {
    // Our own secret from the first try on: a repeated registration is the same life, not a conflict (F36).
    const headers = { 'rollcall-lease-secret': secret }
    const isAnswer = isRegisterAnswer
    return this.#call({ method: 'PUT', path: pathOf(id), headers, body: record, isAnswer, ...limits })
  }

  async heartbeat(lease: Lease, { status, stalled }: Beat, limits: CallLimits): Promise<void> {
    const body = status || stalled ? { ...(status && { status }), ...(stalled && { stalled }) } : undefined
    await this.#call({
      method: 'PUT',
      path: `${pathOf(lease)}/heartbeat`,
      headers: leaseHeaders(lease),
      body,
      isAnswer: isNothing,
      ...limits,
    })
  }

  /** Publishes DRAINING and waits `waitMs` for the clients' word. */
  drain(lease: Lease, waitMs: number, signal: AbortSignal): Promise<DeliveryReport> {
    return this.#awaitDelivery(
      'POST',
      `${pathOf(lease)}/drain?wait=acked`,
      waitMs,
      signal,
      leaseHeaders(lease),
    )
  }

  deregister(lease: Lease, waitMs: number, signal: AbortSignal): Promise<DeliveryReport> {
    return this.#awaitDelivery('DELETE', `${pathOf(lease)}?wait=acked`, waitMs, signal, leaseHeaders(lease))
  }

  delivery(
    id: Identity,
    state: 'live' | 'gone',
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<DeliveryReport> {
    return this.#awaitDelivery('GET', `${pathOf(id)}/delivery?state=${state}`, waitMs, signal)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #awaitDelivery(
    method: Call<unknown>['method'],
    path: string,
    waitMs: number,
    signal: AbortSignal | undefined,
    headers: Record<string, string> = {},
  ): Promise<DeliveryReport> {
    const timed = `${path}&timeout=${Math.round(waitMs)}ms`
    const limits = { timeoutMs: waitMs + 1000, signal }
    const answer = await this.#call({ method, path: timed, headers, isAnswer: isDelivery, ...limits })
    return 'delivery' in answer ? answer.delivery : answer
  }

  async #call<Answer>(call: Call<Answer>): Promise<Answer> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#ask(this.url, call)
      } catch (error) {
        // A registry that answers "no" has answered; what fails, or is none, is passed over, also by the next call.
        const isDown =
          error instanceof UnreachableError ||
          (error instanceof RegistryError && (error.status >= 500 || error.code === ANSWER_INVALID))
        if (!isDown) throw error
        this.#preferred = (this.#preferred + 1) % this.#urls.length
        if (tried >= this.#urls.length) throw error
      }
    }
  }

  async #ask<Answer>(url: string, call: Call<Answer>): Promise<Answer> {
    const { method, path, headers, body, timeoutMs, signal, isAnswer } = call
    signal?.throwIfAborted()
    const abort = new AbortController()
    const onAbort = (): void => abort.abort(signal?.reason)
    const timer = setTimeout(
      () => abort.abort(new Error(`no answer in ${Math.round(timeoutMs)} ms`)),
      timeoutMs,
    )
    timer.unref()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = await request(`${url}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        body: body === undefined ? null : JSON.stringify(body),
        signal: abort.signal,
        dispatcher: this.#agent,
      })
      const value = read(url, answer.statusCode, await answer.body.text())
      if (isAnswer(value)) return value
      throw unintelligible(url, value)
    } catch (error) {
      if (error instanceof RegistryError) throw error
      signal?.throwIfAborted()
      throw new UnreachableError(url, error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

function pathOf({ service, instanceId }: Identity): string {
  return `/v1/services/${encodeURIComponent(service)}/instances/${encodeURIComponent(instanceId)}`
}

function leaseHeaders({ secret, incarnation }: Lease): Record<string, string> {
  return { 'rollcall-lease-secret': secret, 'rollcall-incarnation': String(incarnation) }
}
