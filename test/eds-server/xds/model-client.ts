/**
 * Model clients for property tests: they do what the protocol asks of a client, over two queues that the test
 * drains in any order, and check of each response that the server may send it.
 */
import assert from 'node:assert/strict'
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '../../../eds-server/src/xds/discovery-request.ts'
import type { Response } from '../../../eds-server/src/xds/discovery-response.ts'
import { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { WILDCARD } from '../../../eds-server/src/xds/resource-cache.ts'
import { DeltaBench, REFUSED, SotwBench } from './watch-bench.ts'

type Request = Partial<DiscoveryRequest> & Partial<DeltaDiscoveryRequest>
type Reply = 'ack' | 'nack'

export abstract class ModelClient {
  cache: LinearCache
  #bench: SotwBench | DeltaBench | undefined
  /** What the client wants now. */
  protected names = new Set<string>()
  /** What it has: the version it accepted of each name. */
  readonly has = new Map<string, string>()
  #toServer: Request[] = []
  #toClient: Response[] = []
  /** Nonces of responses whose ACK or NACK the server has not seen. */
  readonly #unsettled = new Set<string>()
  /** What the server has seen the client ask for. */
  protected asked = new Set<string>()
  protected lastNonce = ''

  constructor(cache: LinearCache) {
    this.cache = cache
  }

  /** Opens the first stream and asks for `a`. */
  start(): this {
    this.#bench = this.open()
    this.subscribe(new Set(['a']))
    return this
  }

  protected abstract open(): SotwBench | DeltaBench
  protected abstract requestFor(names: ReadonlySet<string>): Request
  /** The request that re-states everything on a new stream. */
  protected abstract firstRequest(): Request
  protected abstract accept(response: Response): void
  /** What a refused response says to be gone is gone: it has no content that could be bad. */
  protected abstract dropAbsent(response: Response): void
  protected abstract reply(response: Response, error: Request['error']): Request
  /** Keeps `asked` in step with a request that the server has seen. */
  protected abstract see(request: Request): void

  covers(name: string, names: ReadonlySet<string> = this.names): boolean {
    return names.has(name) || names.has(WILDCARD)
  }

  subscribe(names: ReadonlySet<string>): void {
    this.#toServer.push(this.requestFor(names))
    this.names = new Set(names)
    for (const name of this.has.keys()) if (!this.covers(name)) this.has.delete(name)
  }

  /** A request with a nonce that settles nothing. */
  sendStale(): void {
    this.#toServer.push({ ...this.requestFor(this.names), nonce: 'stale' })
  }

  changed(): void {
    this.#flush()
  }

  serverReads(): boolean {
    const request = this.#toServer.shift()
    if (!request) return false
    this.see(request)
    if (request.nonce) this.#unsettled.delete(request.nonce)
    this.#check(this.#bench?.request(request))
    this.#flush()
    return true
  }

  clientReads(reply: Reply): boolean {
    const response = this.#toClient.shift()
    if (!response) return false
    this.lastNonce = response.nonce
    if (reply === 'ack') this.accept(response)
    else this.dropAbsent(response)
    this.#toServer.push(this.reply(response, reply === 'ack' ? undefined : REFUSED))
    return true
  }

  reconnect(): void {
    this.#bench?.watch.close()
    this.#toServer = []
    this.#toClient = []
    this.#unsettled.clear()
    this.asked = new Set()
    this.lastNonce = ''
    this.#bench = this.open()
    this.#toServer.push(this.firstRequest())
  }

  /** Its group gets a cache of its own, which begins as a copy of the one before. */
  move(): void {
    this.cache = new LinearCache(this.cache.type, {}, this.cache)
    this.#bench?.watch.move(this.cache)
  }

  /** Lets everything under way arrive, accepted. */
  settle(): void {
    while (this.serverReads() || this.clientReads('ack')) assert.ok(this.#toServer.length < 1000)
    this.#flush()
    assert.equal(this.#toClient.length, 0, 'a response although nothing is due')
  }

  /** The newest revision of the name that the server takes for ACKed. */
  ackedRevision(name: string): number {
    return this.#bench?.watch.ackedRevision(name) ?? -1
  }

  /** What the client must have in the end. */
  expected(): Map<string, string> {
    const covered = [...this.cache.names()].filter(name => this.covers(name))
    return new Map(covered.map(name => [name, this.cache.get(name)?.version ?? '']))
  }

  #flush(): void {
    this.#check(this.#bench?.next())
  }

  #check(response: Response | undefined): void {
    if (!response) return
    assert.equal(this.#unsettled.size, 0, 'a second response while one is un-ACKed')
    assert.ok(this.asked.size > 0, 'a response to nothing subscribed')
    const told = [...response.resources.map(({ name }) => name), ...response.removed]
    assert.equal(new Set(told).size, told.length, 'a name twice in one response (X-17)')
    for (const { name } of response.resources) {
      assert.ok(this.covers(name, this.asked), `${name} is not subscribed`)
    }
    this.#unsettled.add(response.nonce)
    this.#toClient.push(response)
  }
}

export class SotwModel extends ModelClient {
  #version = ''
  #hasNamed = false
  #hasNamedOnServer = false

  protected open(): SotwBench {
    this.#hasNamed = false
    this.#hasNamedOnServer = false
    return new SotwBench(this.cache)
  }

  override subscribe(names: ReadonlySet<string>): void {
    if (names.size > 0) this.#hasNamed = true
    const isLegacy = names.size === 0 && !this.#hasNamed && this.cache.type.legacyWildcard
    super.subscribe(isLegacy ? new Set([WILDCARD]) : names)
  }

  protected requestFor(names: ReadonlySet<string>): Request {
    return { names: [...names], nonce: this.lastNonce, version: this.#version }
  }

  protected firstRequest(): Request {
    if (this.names.size > 0) this.#hasNamed = true
    // No names at first would mean everything of some types: such a client does not subscribe at all.
    const names = this.names.size === 0 ? ['none'] : [...this.names]
    return { names, version: this.#version }
  }

  protected see({ names = [] }: Request): void {
    if (names.length > 0) this.#hasNamedOnServer = true
    const isLegacy = names.length === 0 && !this.#hasNamedOnServer && this.cache.type.legacyWildcard
    this.asked = new Set(isLegacy ? [WILDCARD] : names)
  }

  protected accept({ resources, version }: Response): void {
    this.#version = version
    if (this.cache.type.fullStateInSotw) this.has.clear()
    for (const each of resources) if (this.covers(each.name)) this.has.set(each.name, each.version)
  }

  protected dropAbsent({ resources }: Response): void {
    if (!this.cache.type.fullStateInSotw) return
    const there = new Set(resources.map(({ name }) => name))
    for (const name of this.has.keys()) if (!there.has(name)) this.has.delete(name)
  }

  protected reply({ nonce }: Response, error: Request['error']): Request {
    return { ...this.requestFor(this.names), nonce, error }
  }
}

export class DeltaModel extends ModelClient {
  protected open(): DeltaBench {
    return new DeltaBench(this.cache)
  }

  protected requestFor(names: ReadonlySet<string>): Request {
    return {
      subscribe: [...names].filter(name => !this.names.has(name)),
      unsubscribe: [...this.names].filter(name => !names.has(name)),
    }
  }

  protected firstRequest(): Request {
    const subscribe = this.names.size === 0 ? ['none'] : [...this.names]
    return { subscribe, initialVersions: new Map(this.has) }
  }

  protected see({ subscribe = [], unsubscribe = [] }: Request): void {
    for (const name of subscribe) this.asked.add(name)
    for (const name of unsubscribe) this.asked.delete(name)
  }

  protected accept({ resources, removed }: Response): void {
    for (const each of resources) if (this.covers(each.name)) this.has.set(each.name, each.version)
    for (const name of removed) this.has.delete(name)
  }

  protected dropAbsent({ removed }: Response): void {
    for (const name of removed) this.has.delete(name)
  }

  protected reply({ nonce }: Response, error: Request['error']): Request {
    return { nonce, error }
  }
}
