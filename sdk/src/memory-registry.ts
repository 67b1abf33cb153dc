/** What the test registry knows and how it answers; `testing.ts` is its public face. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DeliveryReport, PendingNode } from './errors.ts'
import type { FailMode, TestInstance, TestRegistryOptions, TestRequest } from './testing-types.ts'

interface Held {
  instance: TestInstance
  secret: string | undefined
}

class Problem extends Error {
  readonly answer: Record<string, unknown> & { status: number }
  constructor(status: number, code: string, members: object = {}) {
    super(code)
    this.answer = { type: 'about:blank', title: code, detail: code, code, ...members, status }
  }
}

export const GONE = {
  expired: 'ROLLCALL_LEASE_EXPIRED',
  deregistered: 'ROLLCALL_INSTANCE_DEREGISTERED',
  superseded: 'ROLLCALL_INCARNATION_SUPERSEDED',
}

export class MemoryRegistry {
  readonly requests: TestRequest[] = []
  readonly held: Map<string, Held> = new Map()
  /** Why an instance is gone: the code that its heartbeats get. */
  readonly removed: Map<string, string> = new Map()
  mode: FailMode = 'none'
  readonly #laggards = new Map<string, PendingNode>()
  readonly #waiting = new Set<() => void>()
  readonly #subscribers: number
  readonly #ttlMs: number
  #incarnations = 0

  constructor({ subscribers = 1, ttlMs = 15_000 }: TestRegistryOptions) {
    this.#subscribers = subscribers
    this.#ttlMs = ttlMs
  }

  remove(instanceId: string, code: string): void {
    if (this.held.delete(instanceId)) this.removed.set(instanceId, code)
  }

  addLaggard(node: string): () => void {
    this.#laggards.set(node, { node, cluster: 'test', state: 'STALE' })
    return () => {
      this.#laggards.delete(node)
      for (const wake of this.#waiting) wake()
    }
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const text = (await request.setEncoding('utf8').toArray()).join('')
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://registry')
      const asked: TestRequest = {
        method: request.method ?? 'GET',
        path: pathname,
        query: Object.fromEntries(searchParams),
        body: text === '' ? undefined : JSON.parse(text),
        at: performance.now(),
      }
      this.requests.push(asked)
      if (this.mode === 'hang') return
      if (this.mode === 'reset') return void request.socket.destroy()
      if (this.mode === 'error') throw new Problem(503, 'ROLLCALL_NOT_READY')
      if (typeof this.mode === 'object') throw new Problem(this.mode.status, this.mode.code, this.mode)
      const [status, body] = await this.#route(asked, request)
      send(response, status, body)
    } catch (error) {
      const { answer } = error instanceof Problem ? error : new Problem(500, 'ROLLCALL_INTERNAL')
      send(response, answer.status, answer)
    }
  }

  async #route(asked: TestRequest, request: IncomingMessage): Promise<[number, object?]> {
    const match = /^\/v1\/services\/([^/]+)\/instances\/([^/]+)(?:\/(heartbeat|drain|delivery))?$/.exec(
      asked.path,
    )
    if (!match) throw new Problem(404, 'ROLLCALL_ROUTE_UNKNOWN')
    const [service = '', instanceId = ''] = match.slice(1, 3).map(decodeURIComponent)
    const route = `${asked.method} ${match[3] ?? ''}`
    const secret = [request.headers['rollcall-lease-secret']].flat()[0]
    if (route === 'PUT ')
      return this.#register(service, instanceId, asked, secret, request.socket.remoteAddress)
    if (route === 'GET delivery') return [200, await this.#delivery(asked.query)]
    const held = this.held.get(instanceId)
    if (!held) {
      const code = this.removed.get(instanceId)
      throw code ? new Problem(410, code) : new Problem(404, 'ROLLCALL_INSTANCE_UNKNOWN')
    }
    if (route === 'GET ') return [200, held.instance]
    if (held.secret !== secret) throw new Problem(401, 'ROLLCALL_LEASE_SECRET_INVALID')
    const { instance } = held
    if (request.headers['rollcall-incarnation'] !== String(instance.incarnation))
      throw new Problem(410, GONE.superseded)
    const isWaiting = asked.query.wait === 'acked'
    if (route === 'PUT heartbeat') {
      instance.heartbeats++
      const { status = instance.status, stalled = false } = (asked.body ?? {}) as Partial<TestInstance>
      Object.assign(instance, { status, stalled })
      return [204]
    }
    if (route === 'POST drain') {
      instance.status = 'draining'
      return [200, { instance, ...(isWaiting ? { delivery: await this.#delivery(asked.query) } : {}) }]
    }
    if (route !== 'DELETE ') throw new Problem(404, 'ROLLCALL_ROUTE_UNKNOWN')
    this.remove(instanceId, GONE.deregistered)
    return isWaiting ? [200, { delivery: await this.#delivery(asked.query) }] : [204]
  }

  #register(
    service: string,
    instanceId: string,
    { body }: TestRequest,
    secret: string = randomUUID(),
    peer = '127.0.0.1',
  ): [number, object] {
    const record = body as Partial<TestInstance> | undefined
    if (!Number.isInteger(record?.port)) {
      throw new Problem(400, 'ROLLCALL_INVALID_ARGUMENT', { field: 'port', value: record?.port })
    }
    const present = this.held.get(instanceId)
    if (present && present.secret !== secret) throw new Problem(409, 'ROLLCALL_INSTANCE_CONFLICT')
    const defaults = { address: peer.replace('::ffff:', ''), port: 0, status: 'healthy' as const, weight: 1 }
    const instance: TestInstance = {
      ...{
        ...defaults,
        locality: {},
        priority: 0,
        canary: false,
        metadata: {},
        lapsed: false,
        stalled: false,
      },
      ...record,
      ...{ service, instanceId, heartbeats: present?.instance.heartbeats ?? 0 },
      incarnation: present?.instance.incarnation ?? ++this.#incarnations,
    }
    this.held.set(instanceId, { instance, secret })
    this.removed.delete(instanceId)
    const ttlMs = typeof record?.ttlMs === 'number' ? record.ttlMs : this.#ttlMs
    const lease = { ttlMs, heartbeatIntervalMs: ttlMs / 3 }
    return [present ? 200 : 201, { ...instance, leaseSecret: secret, lease }]
  }

  async #delivery({ timeout = '5000ms' }: Record<string, string>): Promise<DeliveryReport> {
    const [, amount = '5', unit = 's'] = /^(\d+)(ms|s|m)$/.exec(timeout) ?? []
    const timeoutMs = Number(amount) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm']
    const deadline = performance.now() + timeoutMs
    while (this.#laggards.size > 0 && performance.now() < deadline)
      await this.#change(deadline - performance.now())
    const pending = [...this.#laggards.values()]
    return { subscribers: this.#subscribers + pending.length, acked: this.#subscribers, pending }
  }

  #change(mostMs: number): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, Math.ceil(mostMs))
      this.#waiting.add(wake)
    })
  }
}

function send(response: ServerResponse, status: number, body?: object): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json'
  response.writeHead(status, body ? { 'content-type': type } : {})
  response.end(body && JSON.stringify(body))
}
