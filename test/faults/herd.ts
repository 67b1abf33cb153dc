/**
 * Many instances at little cost: their addresses are ports of one child process that answers everything, and their
 * heartbeats are sent by the test, which can silence any of them. Every third of the lease, as the SDK does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { Child } from '../../scripts/processes/child.ts'
import { logged } from '../../scripts/processes/programs.ts'
import type { History } from '../history/history.ts'
import type { World } from '../world/world.ts'

export interface HerdOptions {
  url: string
  /** One instance for each. */
  addresses: readonly string[]
  ttlMs: number
  /** Default `myservice`. */
  service?: string
  history?: History
  /** Default 64. */
  connections?: number
}

interface Member {
  readonly service: string
  readonly instanceId: string
  readonly incarnation: number
  readonly leaseSecret: string
}

const BATCH = 1000

/** So many addresses that answer 200, on ports of a process of its own. */
export async function startAddresses(world: World, count: number): Promise<string[]> {
  const script = `
    import { createServer } from 'node:http'
    const ports = []
    for (let i = 0; i < ${count}; i++) {
      const server = createServer((request, response) => response.end('herd'))
      await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
      ports.push(server.address().port)
    }
    console.log(JSON.stringify({ msg: 'listening', ports }))`
  const args = ['--input-type=module', '--eval', script]
  const child = world.adopt(new Child({ name: 'herd', command: process.execPath, args }))
  const { ports } = await child.line('its ports', logged('listening'))
  return (ports as number[]).map(port => `127.0.0.1:${port}`)
}

/** Addresses that nobody listens on, for scenarios in which nobody connects to them. */
export function unservedAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:8000`)
}

export class Herd implements AsyncDisposable {
  readonly #options: HerdOptions
  readonly #pool: Pool
  readonly #members = new Map<string, Member>()
  readonly #silent = new Set<string>()
  #isOver = false
  #turn = 0
  #beating: Promise<void> | undefined
  /** Milliseconds that each request of heartbeats took to be answered. */
  readonly beatMs: number[] = []
  /** Requests of heartbeats that were not answered, as while the registry is away. */
  unanswered = 0
  /** Heartbeats that the registry refused: the instance is not known any more. */
  refused = 0

  constructor(options: HerdOptions) {
    this.#options = options
    this.#pool = new Pool(options.url, { connections: options.connections ?? 64 })
  }

  /** Registers every instance, one a connection at a time; throws at the first that is refused. */
  async register(): Promise<void> {
    const { service = 'myservice', addresses, history, connections = 64 } = this.#options
    const left = [...addresses.entries()]
    const worker = async (): Promise<void> => {
      for (let next = left.pop(); next; next = left.pop()) {
        const [index, address] = next
        history?.record({ kind: 'registered', service, address })
        this.#members.set(address, await this.#put(service, `i${index}`, address))
      }
    }
    await Promise.all(Array.from({ length: connections }, worker))
  }

  /** Sends heartbeats until the end, in batches. */
  beat(): void {
    this.#beating = this.#beat()
  }

  /** One heartbeat of one of them, each in its turn; throws when it is not renewed. */
  async beatOnce(): Promise<void> {
    const members = [...this.#members.values()]
    this.#turn = (this.#turn + 1) % members.length
    const { service, instanceId, incarnation, leaseSecret } = members[this.#turn] as Member
    const { statusCode, body } = await this.#pool.request({
      path: `/v1/services/${service}/instances/${instanceId}/heartbeat`,
      method: 'PUT',
      headers: { 'rollcall-lease-secret': leaseSecret, 'rollcall-incarnation': String(incarnation) },
    })
    await body.dump()
    if (statusCode !== 204) throw new Error(`a heartbeat is refused: ${statusCode}`)
  }

  /** These send no heartbeats any more; default all. Their addresses still answer. */
  silence(addresses: readonly string[] = this.#options.addresses): void {
    for (const address of addresses) this.#silent.add(address)
  }

  wake(): void {
    this.#silent.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#beating
    await this.#pool.destroy()
  }

  async #put(service: string, instanceId: string, address: string): Promise<Member> {
    const [ip, port] = address.split(':')
    const body = JSON.stringify({ address: ip, port: Number(port), ttlMs: this.#options.ttlMs })
    const answer = await this.#pool.request({
      path: `/v1/services/${service}/instances/${instanceId}`,
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { incarnation, leaseSecret } = (await answer.body.json()) as Member
    if (answer.statusCode > 201) throw new Error(`${instanceId} is refused: ${answer.statusCode}`)
    return { service, instanceId, incarnation, leaseSecret }
  }

  async #beat(): Promise<void> {
    while (!this.#isOver) {
      const dueAt = performance.now() + this.#options.ttlMs / 3
      const heartbeats = [...this.#members].flatMap(([address, member]) =>
        this.#silent.has(address) ? [] : [member],
      )
      for (let from = 0; from < heartbeats.length; from += BATCH) {
        await this.#send(heartbeats.slice(from, from + BATCH))
      }
      await delay(Math.max(dueAt - performance.now(), 0))
    }
  }

  async #send(heartbeats: readonly Member[]): Promise<void> {
    const sentAt = performance.now()
    try {
      const answer = await this.#pool.request({
        path: '/v1/heartbeats',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ heartbeats }),
      })
      const { refused } = (await answer.body.json()) as { refused: unknown[] }
      this.refused += refused.length
      this.beatMs.push(performance.now() - sentAt)
    } catch {
      // The registry is away or stopped, which is what many scenarios are about.
      this.unanswered += 1
    }
  }
}
