/** A gRPC client on bare HTTP/2: it says what no library would, byte by byte where that matters. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { decoder, encoder } from '../../eds-server/src/xds/protos.ts'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { methodOf } from './raw-client.ts'

const encode = encoder('envoy.service.discovery.v3.DiscoveryRequest')
const decode = decoder('envoy.service.discovery.v3.DiscoveryResponse')

export const PATH: string = methodOf({ protocol: 'sotw', aggregated: false }, ENDPOINT).path

export function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** A request for endpoints, framed. */
export function request(fields: object): Buffer {
  return framed(encode(fields))
}

export interface Response {
  readonly version_info: string
  readonly nonce: string
}

/** One call; what comes is kept. */
export class RawCall {
  readonly stream: ClientHttp2Stream
  headers: IncomingHttpHeaders = {}
  trailers: IncomingHttpHeaders = {}
  #bytes = Buffer.alloc(0)
  /** Resolves with the HTTP/2 code that it closed with. */
  readonly closed: Promise<number>

  constructor(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}) {
    this.stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    this.stream.on('response', received => {
      this.headers = received
    })
    this.stream.on('trailers', received => {
      this.trailers = received
    })
    this.stream.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
    })
    this.stream.on('error', () => undefined)
    this.closed = new Promise(resolve => this.stream.once('close', () => resolve(this.stream.rstCode ?? 0)))
  }

  /** Every whole response that has come. */
  get responses(): Response[] {
    const responses: Response[] = []
    for (let at = 0; at + 5 <= this.#bytes.length; ) {
      const end = at + 5 + this.#bytes.readUInt32BE(at + 1)
      if (end > this.#bytes.length) break
      responses.push(decode(this.#bytes.subarray(at + 5, end)) as Response)
      at = end
    }
    return responses
  }

  /** The gRPC status, in the trailers or in headers that are all there is. */
  get status(): number | undefined {
    const status = this.trailers['grpc-status'] ?? this.headers['grpc-status']
    return status === undefined ? undefined : Number(status)
  }
}

export function connectTo(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  return session
}
