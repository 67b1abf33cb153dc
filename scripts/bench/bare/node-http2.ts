/** The floor below Rollcall: a node:http2 server that answers a constant, and only drains what clients send. */
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Constant } from './changes.ts'

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' }

const constant = new Constant<ServerHttp2Stream>((stream, message) => stream.write(message))
const server = createServer()
server.on('stream', stream => {
  stream.respond(HEADERS)
  stream.resume()
  stream.on('close', () => constant.closed(stream))
  // The load generator just closes its connections.
  stream.on('error', () => constant.closed(stream))
  constant.opened(stream)
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  constant.serve((server.address() as AddressInfo).port)
})
