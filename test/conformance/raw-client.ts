/**
 * A client of the discovery services on plain grpc-js, with the messages of the descriptor set: nothing of the
 * server's own codec, so that what is tested is the wire.
 */
import { Client, type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { packageDefinition } from '../../eds-server/src/xds/protos.ts'
import type { ResourceType } from '../../eds-server/src/xds/resource-type.ts'

/** One of the four ways to ask for a type. */
export interface Form {
  readonly protocol: 'sotw' | 'delta'
  readonly aggregated: boolean
}

export const FORMS: readonly Form[] = [
  { protocol: 'sotw', aggregated: false },
  { protocol: 'delta', aggregated: false },
  { protocol: 'sotw', aggregated: true },
  { protocol: 'delta', aggregated: true },
]

export function formName({ protocol, aggregated }: Form): string {
  return `${aggregated ? 'aggregated' : 'typed'} ${protocol}`
}

interface Any {
  type_url: string
  value: Buffer
}

interface WireResponse {
  version_info?: string
  system_version_info?: string
  nonce: string
  type_url: string
  resources?: (Any & { name?: string; version?: string; resource?: Any })[]
  removed_resources?: string[]
  control_plane?: { identifier: string }
}

/** A response, the same for both forms of the protocol. */
export interface Received {
  readonly typeUrl: string
  readonly nonce: string
  readonly version: string
  /** The encoded messages, in the order sent. */
  readonly messages: readonly Buffer[]
  /** Delta only. */
  readonly names: readonly string[]
  readonly versions: ReadonlyMap<string, string>
  readonly removed: readonly string[]
  readonly controlPlane: string
}

const DEADLINE_MS = 5000

export function methodOf(form: Form, type: ResourceType): MethodDefinition<object, object> {
  const service = form.aggregated
    ? 'envoy.service.discovery.v3.AggregatedDiscoveryService'
    : type.discoveryService
  const definition = packageDefinition[service] as Record<string, MethodDefinition<object, object>>
  const prefix = form.protocol === 'delta' ? 'Delta' : 'Stream'
  const method = Object.entries(definition).find(([name]) => name.startsWith(prefix))
  if (!method) throw new Error(`no ${prefix} method in ${service}`)
  return method[1]
}

/** A connection of its own, which ends with it. */
export class RawClient implements Disposable {
  readonly #client: Client

  constructor(port: number, options: Record<string, number> = {}) {
    const local = { 'grpc.use_local_subchannel_pool': 1, ...options }
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), local)
  }

  stream(form: Form, type: ResourceType, node = 'node-1'): RawStream {
    const { path, requestSerialize, responseDeserialize } = methodOf(form, type)
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    return new RawStream(call as ClientDuplexStream<object, WireResponse>, form, type, node)
  }

  /** A call that sends whatever bytes it is given. */
  bytes(path: string): ClientDuplexStream<Buffer, Buffer> {
    const same = (bytes: Buffer): Buffer => bytes
    return this.#client.makeBidiStreamRequest(path, same, same)
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

export class RawStream {
  readonly form: Form
  readonly call: ClientDuplexStream<object, WireResponse>
  /** Resolves with the status that ends the stream. */
  readonly ended: Promise<StatusObject>
  readonly #type: ResourceType
  #node: string | undefined
  readonly #received: Received[] = []
  #waiting: ((received: Received) => void) | undefined
  #names = new Set<string>()

  constructor(call: ClientDuplexStream<object, WireResponse>, form: Form, type: ResourceType, node: string) {
    this.call = call
    this.form = form
    this.#type = type
    this.#node = node
    call.on('data', (response: WireResponse) => this.#take(received(response)))
    call.on('error', () => undefined)
    this.ended = new Promise(resolve => call.once('status', resolve))
  }

  /** How many responses came that no `next` has taken. */
  get pending(): number {
    return this.#received.length
  }

  /** Sends a request of the wire's own fields; the node goes with the first. */
  send(fields: object, type: ResourceType = this.#type): void {
    const node = this.#node === undefined ? {} : { node: { id: this.#node, cluster: 'front' } }
    this.#node = undefined
    this.call.write({ type_url: type.typeUrl, ...node, ...fields })
  }

  /** Makes these the subscribed names, in the protocol's own way; `with_` are further fields, as the nonce. */
  subscribe(names: readonly string[], with_: object = {}): void {
    if (this.form.protocol === 'sotw') {
      this.send({ resource_names: names, ...with_ })
    } else {
      const gone = [...this.#names].filter(name => !names.includes(name))
      const fresh = names.filter(name => !this.#names.has(name))
      this.send({ resource_names_subscribe: fresh, resource_names_unsubscribe: gone, ...with_ })
    }
    this.#names = new Set(names)
  }

  ack(response: Received, names: readonly string[] = [...this.#names]): void {
    this.subscribe(names, { response_nonce: response.nonce, ...this.#versionField(response.version) })
  }

  /** `accepted` is the version that the client keeps. */
  nack(response: Received, message = 'no', accepted = ''): void {
    const error_detail = { code: 3, message }
    this.subscribe([...this.#names], {
      response_nonce: response.nonce,
      error_detail,
      ...this.#versionField(accepted),
    })
  }

  next(): Promise<Received> {
    const first = this.#received.shift()
    if (first) return Promise.resolve(first)
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no response within ${DEADLINE_MS} ms`)), DEADLINE_MS)
      this.#waiting = response => {
        clearTimeout(late)
        resolve(response)
      }
    })
  }

  #versionField(version: string): object {
    return this.form.protocol === 'sotw' ? { version_info: version } : {}
  }

  #take(response: Received): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting) waiting(response)
    else this.#received.push(response)
  }
}

function received(response: WireResponse): Received {
  const resources = response.resources ?? []
  return {
    typeUrl: response.type_url,
    nonce: response.nonce,
    version: response.version_info ?? response.system_version_info ?? '',
    messages: resources.map(({ resource, value }) => resource?.value ?? value),
    names: resources.flatMap(({ name }) => name ?? []),
    versions: new Map(resources.map(({ name, version }) => [name ?? '', version ?? ''])),
    removed: response.removed_resources ?? [],
    controlPlane: response.control_plane?.identifier ?? '',
  }
}
