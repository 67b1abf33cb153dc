/**
 * The registry's HTTP API as calls. It owns the connections, tries several registries in turn and reads every
 * body to its end. It knows nothing of leases going lost, schedules or states: it answers or it throws.
 */
import { Agent, request } from 'undici'
import { isRegisterAnswer, isReport, type RegisterAnswer, read, unintelligible } from './answers.ts'
import { type DeliveryReport, RegistryError, UnreachableError } from './errors.ts'

export type Status = 'starting' | 'healthy' | 'degraded' | 'unhealthy' | 'draining'

/** What proves that a call speaks for this life of the instance. */
export interface Lease {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly secret: string
}

/** `timeoutMs` is for one registry; the next one gets as much again. */
export interface CallLimits {
  timeoutMs: number
  signal?: AbortSignal | undefined
}

interface Call extends CallLimits {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  headers?: Record<string, string>
  body?: unknown
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

  get count(): number {
    return this.#urls.length
  }

  async register(id: Identity, record: object, secret: string, limits: CallLimits): Promise<RegisterAnswer> {
    // Our own secret from the first try on: a repeated registration is the same life, not a conflict (F36).
    const headers = { 'rollcall-lease-secret': secret }
    const answer = await this.#call({ method: 'PUT', path: pathOf(id), headers, body: record, ...limits })
    if (!isRegisterAnswer(answer)) throw unintelligible(this.url, answer)
    return answer
  }

  async heartbeat(lease: Lease, status: Status | undefined, limits: CallLimits): Promise<void> {
    const body = status && { status }
    await this.#call({
      method: 'PUT',
      path: `${pathOf(lease)}/heartbeat`,
      headers: leaseHeaders(lease),
      body,
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
    method: Call['method'],
    path: string,
    waitMs: number,
    signal: AbortSignal | undefined,
    headers: Record<string, string> = {},
  ): Promise<DeliveryReport> {
    const timed = `${path}&timeout=${Math.round(waitMs)}ms`
    const answer = await this.#call({ method, path: timed, headers, timeoutMs: waitMs + 1000, signal })
    const report = (answer as { delivery?: unknown } | undefined)?.delivery ?? answer
    if (!isReport(report)) throw unintelligible(this.url, answer)
    return report
  }

  async #call(call: Call): Promise<unknown> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#ask(this.url, call)
      } catch (error) {
        // A registry that answers "no" has answered; one that fails is passed over, also for the next call.
        const isDown =
          error instanceof UnreachableError || (error instanceof RegistryError && error.status >= 500)
        if (!isDown) throw error
        this.#preferred = (this.#preferred + 1) % this.#urls.length
        if (tried >= this.#urls.length) throw error
      }
    }
  }

  async #ask(url: string, { method, path, headers, body, timeoutMs, signal }: Call): Promise<unknown> {
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
      return read(url, answer.statusCode, await answer.body.text())
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
