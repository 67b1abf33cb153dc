/** A snapshot cache with clients on streams that the test holds: what each was told comes out as text. */
import pino from 'pino'
import { Admission } from '../../../eds-server/src/xds/admission.ts'
import { ClientGates } from '../../../eds-server/src/xds/client-gate.ts'
import { DELTA } from '../../../eds-server/src/xds/delta-stream.ts'
import { ResponseEncoder } from '../../../eds-server/src/xds/discovery-response.ts'
import type { LinearCache } from '../../../eds-server/src/xds/linear-cache.ts'
import { PREFIX_BYTES } from '../../../eds-server/src/xds/message-reader.ts'
import { NodeStatus } from '../../../eds-server/src/xds/node-status.ts'
import { decoder, encoder } from '../../../eds-server/src/xds/protos.ts'
import type { Resource } from '../../../eds-server/src/xds/resource.ts'
import { RESOURCE_TYPES, type ResourceType } from '../../../eds-server/src/xds/resource-type.ts'
import type { Snapshot } from '../../../eds-server/src/xds/snapshot.ts'
import { SnapshotCache } from '../../../eds-server/src/xds/snapshot-cache.ts'
import { SOTW } from '../../../eds-server/src/xds/sotw-stream.ts'
import { DEFAULT_LIMITS, type StreamContext } from '../../../eds-server/src/xds/stream-context.ts'
import { XdsStream } from '../../../eds-server/src/xds/xds-stream.ts'
import { ManualClock } from '../../world/manual-clock.ts'
import { resource } from './watch-bench.ts'

interface Wire {
  type_url: string
  nonce: string
  version_info?: string
  resources?: { value?: Buffer; resource?: { value: Buffer } }[]
  removed_resources?: string[]
}

interface Told {
  readonly type: ResourceType
  readonly nonce: string
  readonly version: string
}

const DISCOVERY = 'envoy.service.discovery.v3'

/** A snapshot of `name` or `name=content` by type. */
export function snapshotOf(...types: readonly [ResourceType, ...string[]][]): Snapshot {
  const entries = types.map(([type, ...names]) => [type.typeUrl, resourcesOf(type, names)] as const)
  return { resources: new Map(entries) }
}

function resourcesOf(type: ResourceType, texts: readonly string[]): Map<string, Resource> {
  return new Map(
    texts.map(text => {
      const [name = ''] = text.split('=')
      return [name, resource(type, name, text)]
    }),
  )
}

export class SnapshotBench {
  readonly clock: ManualClock = new ManualClock()
  readonly snapshots: SnapshotCache
  readonly context: StreamContext

  constructor({ shared = [] as readonly LinearCache[], hold = (_version: string): boolean => false } = {}) {
    const { clock } = this
    this.snapshots = new SnapshotCache({ clock, grouping: 'cluster', shared, hold })
    this.context = {
      groups: this.snapshots,
      gates: new ClientGates(clock),
      encoder: new ResponseEncoder('me'),
      status: new NodeStatus(),
      admission: new Admission(clock),
      clock,
      logger: pino({ level: 'silent' }),
      limits: DEFAULT_LIMITS,
      observer: {},
    }
  }

  /** `type`: a typed stream of it. */
  open(
    options: { isDelta?: boolean; type?: ResourceType; id?: string; cluster?: string; peer?: string } = {},
  ) {
    return new BenchClient(this.context, options)
  }

  /** Lets what waits for a promise go on, then time pass. */
  async pass(ms: number): Promise<void> {
    await settle()
    this.clock.advance(ms)
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

export class BenchClient {
  readonly #stream: XdsStream<never> | XdsStream<never>
  readonly #isDelta: boolean
  readonly #encode: (message: object) => Buffer
  readonly #decode: (bytes: Buffer) => Wire
  #node: object | undefined
  readonly #texts: string[] = []
  readonly #unsettled: Told[] = []
  readonly #names = new Map<ResourceType, readonly string[]>()

  constructor(
    context: StreamContext,
    {
      isDelta = false,
      type,
      id = 'node-1',
      cluster = 'front',
      peer = '127.0.0.1:1',
    }: { isDelta?: boolean; type?: ResourceType; id?: string; cluster?: string; peer?: string },
  ) {
    const form = isDelta ? 'Delta' : ''
    this.#isDelta = isDelta
    this.#encode = encoder(`${DISCOVERY}.${form}DiscoveryRequest`)
    this.#decode = decoder(`${DISCOVERY}.${form}DiscoveryResponse`) as (bytes: Buffer) => Wire
    this.#node = { id, cluster }
    const transport = { peer, write: (message: Buffer) => this.#take(message), end: () => undefined }
    const stream = isDelta
      ? new XdsStream(DELTA, transport, context, type?.typeUrl)
      : new XdsStream(SOTW, transport, context, type?.typeUrl)
    this.#stream = stream as unknown as XdsStream<never>
  }

  /** What came since the last look: `CLUSTER a b`, in delta with what is gone as `-c`. */
  told(): string[] {
    return this.#texts.splice(0)
  }

  ask(type: ResourceType, names: readonly string[] = [], further: object = {}): void {
    this.#names.set(type, names)
    this.#send(
      type,
      this.#isDelta ? { resource_names_subscribe: names, ...further } : { resource_names: names, ...further },
    )
  }

  /** Accepts everything that came, of the type or of all, and what comes upon that. */
  ack(type?: ResourceType): void {
    for (;;) {
      const index = this.#unsettled.findIndex(told => !type || told.type === type)
      const [told] = index < 0 ? [] : this.#unsettled.splice(index, 1)
      if (!told) return
      this.#answer(told, {})
    }
  }

  nack(type: ResourceType, message = 'no'): void {
    const index = this.#unsettled.findIndex(told => told.type === type)
    const [told] = this.#unsettled.splice(index, 1)
    if (!told || index < 0) throw new Error('nothing to refuse')
    this.#answer({ ...told, version: '' }, { error_detail: { code: 3, message } })
  }

  /** Ends the stream in due form. */
  close(): void {
    this.#stream.left()
  }

  /** The stream breaks. */
  break(): void {
    this.#stream.closed()
  }

  #answer({ type, nonce, version }: Told, further: object): void {
    const names = this.#names.get(type) ?? []
    const fields = this.#isDelta ? {} : { resource_names: names, version_info: version }
    this.#send(type, { ...fields, response_nonce: nonce, ...further })
  }

  #send(type: ResourceType, fields: object): void {
    const node = this.#node ? { node: this.#node } : {}
    this.#node = undefined
    this.#stream.receive(this.#encode({ type_url: type.typeUrl, ...node, ...fields }))
  }

  #take(message: Buffer): boolean {
    const {
      type_url,
      nonce,
      version_info = '',
      resources = [],
      removed_resources = [],
    } = this.#decode(message.subarray(PREFIX_BYTES))
    const type = RESOURCE_TYPES.find(each => each.typeUrl === type_url)
    if (!type) throw new Error(type_url)
    const texts = resources.map(({ value, resource: inner }) => String(inner ? inner.value : value)).sort()
    const gone = removed_resources.map(name => `-${name}`).sort()
    this.#texts.push([type.restName ?? type.typeUrl, ...texts, ...gone].join(' '))
    this.#unsettled.push({ type, nonce, version: version_info })
    return true
  }
}
