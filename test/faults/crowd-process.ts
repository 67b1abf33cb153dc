/**
 * The process behind crowd.ts: many clients of aggregated discovery, each on a connection of its own, that ACK
 * everything. As the Envoys of envoy/ they give up a connection after 1 s and come back after a jittered pause (0.5 s,
 * doubled up to 5 s). Says over IPC, when asked, how many are in sync.
 */
import { type ClientHttp2Stream, connect } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { decoder, encoder } from '../../eds-server/src/xds/protos.ts'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'

const [port, count, service] = process.argv.slice(2)
const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'
const BASE_MS = 500
const LONGEST_MS = 5000
const CONNECT_MS = 1000
const encode = encoder('envoy.service.discovery.v3.DiscoveryRequest')
const decode = decoder('envoy.service.discovery.v3.DiscoveryResponse') as (bytes: Buffer) => {
  version_info: string
  nonce: string
}
const progress = { inSync: 0, lost: 0 }

async function client(index: number): Promise<void> {
  const state = { version: '' }
  for (let pauseMs = BASE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_MS)) {
    if (await oneStream(`crowd-${index}`, state)) pauseMs = BASE_MS
    await delay(Math.random() * pauseMs)
  }
}

/** Resolves when the stream has ended, with whether it had an answer. */
function oneStream(node: string, state: { version: string }): Promise<boolean> {
  return new Promise(resolve => {
    let isInSync = false
    const session = connect(`http://127.0.0.1:${port}`)
    // The end of the session says all that matters here.
    session.on('error', () => undefined)
    const late = setTimeout(() => session.destroy(), CONNECT_MS)
    session.once('connect', () => clearTimeout(late))
    session.once('close', () => {
      clearTimeout(late)
      if (isInSync) {
        progress.inSync -= 1
        progress.lost += 1
      }
      resolve(isInSync)
    })
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => undefined)
    stream.once('close', () => session.destroy())
    const common = { type_url: ENDPOINT.typeUrl, resource_names: [service], version_info: state.version }
    send(stream, { ...common, node: { id: node, cluster: 'crowd' } })
    onMessage(stream, bytes => {
      const { version_info, nonce } = decode(bytes)
      state.version = version_info
      send(stream, { ...common, version_info, response_nonce: nonce })
      if (!isInSync) progress.inSync += 1
      isInSync = true
    })
  })
}

function send(stream: ClientHttp2Stream, request: object): void {
  const message = encode(request)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  stream.write(Buffer.concat([prefix, message]))
}

function onMessage(stream: ClientHttp2Stream, take: (bytes: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const end = 5 + pending.readUInt32BE(1)
      take(pending.subarray(5, end))
      pending = pending.subarray(end)
    }
  })
}

for (let index = 0; index < Number(count); index++) void client(index)
process.on('message', () => process.send?.(progress))
process.once('disconnect', () => process.exit(0))
