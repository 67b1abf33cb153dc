/** An instance in the test's own hands: a server in the test's process, and its registration call by call. */
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Stage } from './stage.ts'

const SERVICE = 'myservice'
/** Long enough for a scenario without heartbeats. */
const TTL_MS = 600_000

export class Host implements AsyncDisposable {
  /** What `GET /` answers. */
  readonly uuid: string = randomUUID()
  /** How many of the next health checks are answered 503. */
  failures = 0
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      const isFailing = request.url === '/healthz' && this.failures > 0
      if (isFailing) this.failures -= 1
      response.writeHead(isFailing ? 503 : 200).end(this.uuid)
    })
  }

  /** On a free port, until the stage's world ends. */
  static async start(stage: Stage, address = '127.0.0.1'): Promise<Host> {
    const host = new Host()
    await new Promise<void>(resolve => host.#server.listen(0, address, resolve))
    return stage.world.keep(host)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }
}

export interface Answer {
  readonly status: number
  readonly code?: string
  readonly incarnation?: number
  readonly leaseSecret?: string
  readonly address?: string
}

/** What a holder shows of its lease. */
export interface Key {
  readonly secret: string
  readonly incarnation?: number | undefined
}

export interface Call {
  method: 'PUT' | 'DELETE'
  instanceId: string
  /** After the instance's path. */
  action?: '/heartbeat' | '?wait=acked'
  key?: Key
  body?: object
}

/** One call on an instance of `myservice`, or of the given service. */
export async function call(stage: Stage, options: Call, service = SERVICE): Promise<Answer> {
  const { method, instanceId, action = '', key, body } = options
  const path = `/v1/services/${service}/instances/${instanceId}${action}`
  const headers = {
    ...(key && { 'rollcall-lease-secret': key.secret }),
    ...(key?.incarnation !== undefined && { 'rollcall-incarnation': String(key.incarnation) }),
    ...(body && { 'content-type': 'application/json' }),
  }
  const answer = await fetch(stage.registry.url + path, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { ...(text === '' ? {} : (JSON.parse(text) as object)), status: answer.status }
}

/** Registers the port of 127.0.0.1 and says so in the history; throws when it is refused. */
export async function enter(stage: Stage, instanceId: string, port: number, secret?: string): Promise<Key> {
  stage.history.record({ kind: 'registered', service: SERVICE, address: `127.0.0.1:${port}` })
  const body = { address: '127.0.0.1', port, ttlMs: TTL_MS }
  const options: Call = { method: 'PUT', instanceId, body, ...(secret !== undefined && { key: { secret } }) }
  const { status, incarnation, leaseSecret } = await call(stage, options)
  if (status > 201 || leaseSecret === undefined) throw new Error(`${instanceId} is refused: ${status}`)
  return { secret: leaseSecret, incarnation }
}

/** Removes it, and says so in the history once every Envoy has let it go. */
export async function leave(stage: Stage, instanceId: string, port: number, key: Key): Promise<void> {
  const subject = { service: SERVICE, address: `127.0.0.1:${port}` }
  stage.history.record({ kind: 'leaving', ...subject })
  const { status } = await call(stage, { method: 'DELETE', instanceId, action: '?wait=acked', key })
  if (status !== 200) throw new Error(`${instanceId} cannot leave: ${status}`)
  stage.history.record({ kind: 'deregistered', ...subject })
}
