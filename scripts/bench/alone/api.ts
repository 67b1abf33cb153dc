/** The few calls of the HTTP API that the benchmarks make. */
import { Agent, request } from 'undici'
import { addressOf } from '../address.ts'

export interface Lease {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly leaseSecret: string
}

export class Api {
  readonly #origin: string
  readonly agent: Agent

  constructor(port: number, connections = 8) {
    this.#origin = `http://127.0.0.1:${port}`
    this.agent = new Agent({ connections, pipelining: 1 })
  }

  /** Registers instance `index` of the service at an address of its own, where by default nobody listens. */
  async register(service: string, index: number, weight = 1, port = 8000): Promise<Lease> {
    const { statusCode, body } = await request(`${this.#origin}/v1/services/${service}/instances/i${index}`, {
      method: 'PUT',
      dispatcher: this.agent,
      headers: { 'content-type': 'application/json', 'rollcall-lease-secret': secretOf(index) },
      body: JSON.stringify({ address: addressOf(index), port, weight, ttlMs: 3_600_000 }),
    })
    if (statusCode >= 300) throw new Error(`register: ${statusCode} ${await body.text()}`)
    return (await body.json()) as Lease
  }

  /** Registers `count` instances, a few at a time. */
  async registerMany(service: string, count: number): Promise<Lease[]> {
    const leases: Lease[] = []
    let next = 0
    const worker = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) leases.push(await this.register(service, index))
    }
    await Promise.all(Array.from({ length: 16 }, worker))
    return leases
  }

  async heartbeat(lease: Lease): Promise<void> {
    const statusCode = await this.#call('PUT', lease, '/heartbeat')
    if (statusCode !== 204) throw new Error(`heartbeat: ${statusCode}`)
  }

  /** Resolves when no client has the instance any more. */
  async deregister(lease: Lease): Promise<void> {
    const statusCode = await this.#call('DELETE', lease, '?wait=acked')
    if (statusCode !== 200) throw new Error(`deregister: ${statusCode}`)
  }

  async heartbeatMany(leases: readonly Lease[]): Promise<void> {
    const heartbeats = leases.map(({ service, instanceId, incarnation, leaseSecret }) => {
      return { service, instanceId, incarnation, leaseSecret }
    })
    const { statusCode, body } = await request(`${this.#origin}/v1/heartbeats`, {
      method: 'POST',
      dispatcher: this.agent,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ heartbeats }),
    })
    const answer = (await body.json()) as { renewed?: number }
    if (statusCode !== 200 || answer.renewed !== leases.length) throw new Error(`batch: ${statusCode}`)
  }

  close(): Promise<void> {
    return this.agent.close()
  }

  /** Calls a path of the lease's instance as its holder. */
  async #call(method: 'PUT' | 'DELETE', lease: Lease, path: string): Promise<number> {
    const instance = `${this.#origin}/v1/services/${lease.service}/instances/${lease.instanceId}`
    const headers = {
      'rollcall-lease-secret': lease.leaseSecret,
      'rollcall-incarnation': `${lease.incarnation}`,
    }
    const { statusCode, body } = await request(instance + path, { method, dispatcher: this.agent, headers })
    await body.dump()
    return statusCode
  }
}

function secretOf(index: number): string {
  return `bench-${index}`.padEnd(43, '0')
}
