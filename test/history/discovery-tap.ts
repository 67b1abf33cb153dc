/**
 * Reads along on one HTTP/2 connection of discovery streams: bytes in, assignments and ACKs out. It knows frames and
 * gRPC's message prefix and nothing of headers: what a stream carries is told by its messages (other calls on the
 * connection, as health checks, have no type URL). Nothing of the server's codec is used but the descriptor set.
 */
import { decoder } from '../../eds-server/src/xds/protos.ts'
import { decodeAssignment, HEALTH } from '../world/assignments.ts'
import type { Endpoint, Sighting } from './history.ts'

const PREFACE_BYTES = 24
const FRAME_HEAD = 9
const DATA = 0
const PADDED = 8
const TYPE = 'type.googleapis.com/'
const ASSIGNMENT = `${TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment`

type Decode = (bytes: Buffer) => Record<string, unknown>
const package_ = 'envoy.service.discovery.v3'
const decode = {
  sotw: {
    request: decoder(`${package_}.DiscoveryRequest`) as Decode,
    response: decoder(`${package_}.DiscoveryResponse`) as Decode,
  },
  delta: {
    request: decoder(`${package_}.DeltaDiscoveryRequest`) as Decode,
    response: decoder(`${package_}.DeltaDiscoveryResponse`) as Decode,
  },
}

interface Request {
  node?: { id?: string }
  type_url?: string
  response_nonce?: string
  error_detail?: { message?: string }
}

interface Response {
  type_url?: string
  nonce?: string
  version_info?: string
  system_version_info?: string
  resources?: { value?: Buffer; version?: string; resource?: { value: Buffer } }[]
  removed_resources?: string[]
}

interface Stream {
  form: keyof typeof decode | undefined
  node: string
}

export class DiscoveryTap {
  readonly #name: string
  readonly #record: (sighting: Sighting) => void
  readonly #streams = new Map<number, Stream>()
  readonly #requests: FrameReader
  readonly #responses: FrameReader

  /** `name` tells this connection from others; streams are called `<name>/<number>`. */
  constructor(name: string, record: (sighting: Sighting) => void) {
    this.#name = name
    this.#record = record
    this.#requests = new FrameReader(PREFACE_BYTES, (id, message) => this.#request(id, message))
    this.#responses = new FrameReader(0, (id, message) => this.#response(id, message))
  }

  fromClient(bytes: Buffer): void {
    this.#requests.read(bytes)
  }

  fromServer(bytes: Buffer): void {
    this.#responses.read(bytes)
  }

  #request(id: number, message: Buffer): void {
    const stream = this.#streams.get(id) ?? { form: undefined, node: '' }
    stream.form ??= formOf(message)
    if (stream.form === undefined) return
    this.#streams.set(id, stream)
    const {
      node,
      type_url,
      response_nonce: nonce,
      error_detail: error,
    } = decode[stream.form].request(message) as Request
    if (node?.id) stream.node = node.id
    if (type_url !== ASSIGNMENT || !nonce) return
    const common = { node: stream.node, stream: `${this.#name}/${id}`, nonce }
    this.#record(
      error ? { kind: 'nacked', ...common, message: error.message ?? '' } : { kind: 'acked', ...common },
    )
  }

  #response(id: number, message: Buffer): void {
    const stream = this.#streams.get(id)
    if (stream?.form === undefined) return
    const response = decode[stream.form].response(message) as Response
    if (response.type_url !== ASSIGNMENT) return
    const common = { node: stream.node, stream: `${this.#name}/${id}`, nonce: response.nonce ?? '' }
    const version = response.version_info ?? response.system_version_info ?? ''
    for (const { value, version: own, resource } of response.resources ?? []) {
      const { service, endpoints } = assignmentIn(resource?.value ?? value ?? Buffer.alloc(0))
      this.#record({ kind: 'sent', ...common, version: own || version, service, endpoints })
    }
    for (const service of response.removed_resources ?? []) {
      this.#record({ kind: 'sent', ...common, version: '', service, endpoints: undefined })
    }
  }
}

/** The first request of a stream names its type: field 4 of a DiscoveryRequest, field 2 of the delta form. */
function formOf(message: Buffer): keyof typeof decode | undefined {
  for (const form of ['sotw', 'delta'] as const) {
    try {
      if (String(decode[form].request(message).type_url ?? '').startsWith(TYPE)) return form
    } catch {
      // Not of this form: the node in the place of a text is no valid message.
    }
  }
  return undefined
}

function assignmentIn(bytes: Buffer): { service: string; endpoints: Endpoint[] } {
  const { cluster_name: service, endpoints: groups = [] } = decodeAssignment(bytes)
  const endpoints = groups
    .flatMap(({ lb_endpoints = [] }) => lb_endpoints)
    .map(({ endpoint, health_status = 0 }) => {
      const { address, port_value } = endpoint.address.socket_address
      const host = address.includes(':') ? `[${address}]` : address
      return { address: `${host}:${port_value}`, health: HEALTH[health_status] ?? String(health_status) }
    })
  return { service, endpoints }
}

/** One direction: cuts frames out of the bytes and messages out of the frames of each stream. */
class FrameReader {
  readonly #message: (stream: number, message: Buffer) => void
  readonly #bodies = new Map<number, Buffer>()
  #pending: Buffer = Buffer.alloc(0)
  #skip: number

  constructor(skip: number, message: (stream: number, message: Buffer) => void) {
    this.#skip = skip
    this.#message = message
  }

  read(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes])
    const skipped = Math.min(this.#skip, this.#pending.length)
    this.#skip -= skipped
    this.#pending = this.#pending.subarray(skipped)
    while (this.#pending.length >= FRAME_HEAD) {
      const end = FRAME_HEAD + this.#pending.readUIntBE(0, 3)
      if (this.#pending.length < end) return
      if (this.#pending[3] === DATA) this.#data(this.#pending.subarray(0, end))
      this.#pending = this.#pending.subarray(end)
    }
  }

  #data(frame: Buffer): void {
    const id = frame.readUInt32BE(5) & 0x7fffffff
    const isPadded = ((frame[4] ?? 0) & PADDED) > 0
    const payload = isPadded
      ? frame.subarray(FRAME_HEAD + 1, frame.length - (frame[FRAME_HEAD] ?? 0))
      : frame.subarray(FRAME_HEAD)
    let body = Buffer.concat([this.#bodies.get(id) ?? Buffer.alloc(0), payload])
    while (body.length >= 5 && body.length >= 5 + body.readUInt32BE(1)) {
      const end = 5 + body.readUInt32BE(1)
      this.#message(id, body.subarray(5, end))
      body = body.subarray(end)
    }
    if (body.length > 0) this.#bodies.set(id, body)
    else this.#bodies.delete(id)
  }
}
