/** A client on bare HTTP/2 that sends one request and reads nothing, with HTTP/2's default window of 64 KiB. */
import { type ClientHttp2Session, connect } from 'node:http2'
import { encoder } from '../../eds-server/src/xds/protos.ts'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { methodOf } from './raw-client.ts'

const encode = encoder('envoy.service.discovery.v3.DiscoveryRequest')

export interface PausedClient {
  readonly session: ClientHttp2Session
  /** Resolves with the HTTP/2 code that the stream was reset with. */
  readonly closed: Promise<number>
}

/** Asks for the endpoints of one name. */
export function openPaused(port: number, name: string): PausedClient {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  const stream = session.request({
    ':method': 'POST',
    ':path': methodOf({ protocol: 'sotw', aggregated: false }, ENDPOINT).path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.pause()
  stream.on('error', () => undefined)
  const message = encode({ node: { id: 'paused' }, resource_names: [name] })
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  stream.write(Buffer.concat([prefix, message]))
  return { session, closed: new Promise(resolve => stream.once('close', () => resolve(stream.rstCode))) }
}
