/**
 * A client of endpoint discovery that costs as little as possible, so that the server is what is measured: raw
 * HTTP/2, pre-encoded requests, and of each response only version and nonce are read. One connection a stream, as
 * Envoys have.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { bytesField, stringField } from '../../../eds-server/src/xds/wire.ts'
import { WireReader } from '../../../eds-server/src/xds/wire-reader.ts'

const PATH = '/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints'
const TYPE_URL = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'

/** Field numbers of DiscoveryRequest and DiscoveryResponse. */
const REQUEST = { VERSION: 1, NODE: 2, NAMES: 3, TYPE_URL: 4, NONCE: 5 } as const
const RESPONSE = { VERSION: 1, NONCE: 5 } as const

export interface Received {
  readonly version: string
  readonly bytes: number
  /** performance.now() of its last byte. */
  readonly at: number
}

export class BenchStream {
  readonly #session: ClientHttp2Session
  readonly #stream: ClientHttp2Stream
  readonly #names: Buffer
  #pending: Buffer = Buffer.alloc(0)
  /** Called for each response, after its ACK is written. */
  onResponse: ((received: Received) => void) | undefined

  constructor(port: number, node: string, service: string) {
    this.#names = Buffer.concat([
      stringField(REQUEST.NAMES, service),
      stringField(REQUEST.TYPE_URL, TYPE_URL),
    ])
    this.#session = connect(`http://127.0.0.1:${port}`)
    this.#session.on('error', error => this.#fail(error))
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    this.#stream.on('error', error => this.#fail(error))
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#send(bytesField(REQUEST.NODE, stringField(1, node)))
  }

  close(): void {
    this.#stream.destroy()
    this.#session.destroy()
  }

  #send(fields: Buffer): void {
    const length = fields.length + this.#names.length
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(length, 1)
    this.#stream.write(Buffer.concat([prefix, fields, this.#names]))
  }

  #read(chunk: Buffer): void {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk
    while (this.#pending.length >= 5) {
      const end = 5 + this.#pending.readUInt32BE(1)
      if (this.#pending.length < end) return
      const message = this.#pending.subarray(5, end)
      this.#pending = this.#pending.subarray(end)
      const version = textField(message, RESPONSE.VERSION)
      const nonce = textField(message, RESPONSE.NONCE)
      this.#send(Buffer.concat([stringField(REQUEST.VERSION, version), stringField(REQUEST.NONCE, nonce)]))
      this.onResponse?.({ version, bytes: message.length, at: performance.now() })
    }
  }

  #fail(error: Error): void {
    if (!this.#session.destroyed) throw error
  }
}

function textField(message: Buffer, field: number): string {
  const reader = new WireReader(message)
  while (reader.next()) {
    if (reader.field === field) return reader.string()
    reader.skip()
  }
  return ''
}
