/**
 * Discovery by single requests and JSON: the form of the protocol that clients poll. A poll by somebody who has the
 * present version is held until it changes, but no longer than the client waits: so a change arrives at once, and
 * not at the client's next poll.
 */
import type { Clock } from '../clock.ts'
import { invalidArgument, RollcallError, shown } from '../errors.ts'
import type { CacheGroups } from './cache-groups.ts'
import { answerText, type FetchMethod, methodsOf } from './fetch-method.ts'
import { type FetchRequest, readFetchRequest } from './fetch-request.ts'
import type { NodeIdentity } from './node-grouping.ts'
import { type ClientStatus, NodeStatus, type NodeView } from './node-status.ts'
import { hostOf } from './peer.ts'
import { versionOf } from './resource.ts'
import { type ResourceCache, type ResourceSet, WILDCARD } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'
import { RestSubscription } from './rest-subscription.ts'
import { isLoopbackPeer, SECRETS_WITHHELD } from './secrecy.ts'
import { DEFAULT_LIMITS, type StreamLimits, type XdsObserver } from './stream-context.ts'

export interface FetchOptions {
  /** The types that are served, and where each client finds them. */
  readonly groups: CacheGroups
  readonly clock: Clock
  /** Tells clients which server answers them. */
  readonly identifier: string
  /** False for a name that nothing was ever said of: to a client that has it from elsewhere that is no news. */
  readonly isKnown: (name: string, type: ResourceType) => boolean
  readonly limits?: StreamLimits
  readonly observer?: XdsObserver
}

export interface FetchCall {
  /** The request as a JSON value. */
  readonly body: unknown
  /** How long the client waits for the answer, milliseconds; undefined: it does not say, and is answered at once. */
  readonly expectedMs: number | undefined
  /** Aborts when the client has gone or the server stops. */
  readonly signal: AbortSignal
  /** Address and port of the client. */
  readonly peer: string
}

/** What a client names the time that it waits, milliseconds. */
export const EXPECTED_TIMEOUT = 'x-envoy-expected-rq-timeout-ms'

const LONGEST_HOLD_MS = 30_000
/** Of the time that the client waits; the rest is for the way there and back, and for a busy machine. */
const HELD_SHARE = 0.8
const SUBSCRIPTIONS_MAX = 10_000

/** One who does not say who it is. */
const NOBODY: NodeIdentity = { id: '', cluster: '' }

interface Kept {
  readonly subscription: RestSubscription
  peer: string
}

export class FetchServer {
  readonly methods: readonly FetchMethod[]
  readonly #options: FetchOptions
  readonly #limits: StreamLimits
  readonly #kept = new Map<string, Kept>()
  readonly #status = new NodeStatus()

  constructor(options: FetchOptions) {
    this.#options = options
    this.#limits = options.limits ?? DEFAULT_LIMITS
    this.methods = options.groups.types.flatMap(methodsOf)
  }

  /** What every polling client has. */
  nodes(): NodeView[] {
    return this.#status.nodes()
  }

  /** The answer as JSON text; undefined: the client has it already. Rejects with a RollcallError. */
  async fetch(method: FetchMethod, call: FetchCall): Promise<string | undefined> {
    const { type, typeUrl } = method
    if (type.isConfidential && !isLoopbackPeer(call.peer)) {
      this.#options.observer?.secretsWithheld?.()
      throw new RollcallError('ROLLCALL_SECRET_REFUSED', SECRETS_WITHHELD)
    }
    const request = readFetchRequest(call.body, typeUrl, this.#limits)
    const names = namesOf(request, type)
    const kept = this.#keptFor(method, request, names, call.peer)
    kept?.subscription.pollBegins(request.version, request.error)
    const cache = (): ResourceCache => kept?.subscription.cache ?? this.#cacheFor(request.node, type)
    try {
      const set = await this.#newsFor(cache, names, request.version, kept?.subscription, call)
      if (!set) return undefined
      kept?.subscription.tell(set)
      const text = answerText(method, set, this.#options.identifier)
      this.#options.observer?.responseSent?.(typeUrl, 'rest', text.length)
      return text
    } finally {
      kept?.subscription.pollEnds()
    }
  }

  /** The same, with each resource that they have. */
  clients(): ClientStatus[] {
    return this.#status.clients()
  }

  close(): void {
    for (const { subscription } of [...this.#kept.values()]) subscription.close()
  }

  /** What differs from the client's version, as soon as something does; undefined when its time is over. */
  async #newsFor(
    cacheNow: () => ResourceCache,
    names: readonly string[],
    version: string,
    subscription: RestSubscription | undefined,
    { expectedMs = 0, signal }: FetchCall,
  ): Promise<ResourceSet | undefined> {
    const { clock } = this.#options
    const until = clock.now() + Math.min(expectedMs * HELD_SHARE, LONGEST_HOLD_MS)
    for (;;) {
      const cache = cacheNow()
      this.#assertTold(cache, names, version)
      const set = read(cache, names)
      // Where absence deletes, nothing is an answer too; elsewhere it is none.
      const isNews = set.version !== version && (set.resources.length > 0 || cache.type.fullStateInSotw)
      if (isNews) return set
      if (set.version === version) subscription?.hasCurrent(version)
      const leftMs = until - clock.now()
      if (!subscription || leftMs <= 0 || signal.aborted) return undefined
      await subscription.nextChange(leftMs, signal)
    }
  }

  /** "I do not know" must not look like "there is none": the client keeps what it has from elsewhere. */
  #assertTold(cache: ResourceCache, names: readonly string[], version: string): void {
    for (const name of names) {
      const isStranger =
        name !== WILDCARD &&
        version !== '' &&
        cache.get(name) === undefined &&
        !this.#options.isKnown(name, cache.type) &&
        cache.placeholder(name)?.version !== version
      if (!isStranger && !cache.isHeld(name, version)) continue
      const message = `resource ${shown(name)} is not known here yet; the version shown is of another time or server`
      throw new RollcallError('ROLLCALL_NOT_READY', message, { field: 'resource_names', value: name })
    }
  }

  #keptFor(
    { path, typeUrl, type }: FetchMethod,
    { node: client }: FetchRequest,
    names: readonly string[],
    peer: string,
  ): Kept | undefined {
    if (!client) return undefined
    // Not by connection: a client with many clusters sends the polls of one over any of its connections.
    const key = JSON.stringify([path, client.id, client.cluster, hostOf(peer), names])
    const known = this.#kept.get(key)
    if (known) {
      known.peer = peer
      return known
    }
    if (this.#kept.size >= SUBSCRIPTIONS_MAX) return undefined
    const isGone = (): void => {
      this.#kept.delete(key)
      this.#status.remove(observed)
    }
    const { clock, groups } = this.#options
    const subscription = new RestSubscription({ type, groups, clock, client, names, isGone })
    const kept: Kept = { subscription, peer }
    const observed = subscription.observed(typeUrl, () => kept.peer)
    this.#status.add(observed)
    this.#kept.set(key, kept)
    return kept
  }

  #cacheFor(client: FetchRequest['node'], { typeUrl }: ResourceType): ResourceCache {
    const cache = this.#options.groups.cachesFor(client ?? NOBODY).get(typeUrl)
    if (!cache) throw new Error(`no cache of ${typeUrl}`)
    return cache
  }
}

/** No names: everything for the types of which that can be said. */
function namesOf({ names }: FetchRequest, type: ResourceType): readonly string[] {
  if (names.includes(WILDCARD)) return [WILDCARD]
  if (names.length > 0) return names
  if (type.legacyWildcard) return [WILDCARD]
  throw invalidArgument('resource_names', 'an empty list', 'at least one resource name')
}

function read(cache: ResourceCache, names: readonly string[]): ResourceSet {
  for (const name of names) cache.demand(name)
  if (names.includes(WILDCARD)) return cache.all()
  const resources = names.flatMap(name => cache.get(name) ?? cache.placeholder(name) ?? [])
  return { version: versionOf(resources), resources }
}
