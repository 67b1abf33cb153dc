/**
 * What the bare servers have in common: `PUT /weight?weight=` changes the constant and is answered when every open
 * stream was written to; the first argument is the number of endpoints.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Assignment } from './assignment.ts'

/** The message that all streams have, and where a stream gets its newer ones. */
export class Constant<Stream> {
  readonly #assignment = new Assignment(Number(process.argv[2]))
  readonly #write: (stream: Stream, message: Buffer) => void
  readonly #streams = new Set<Stream>()
  #message: Buffer = this.#assignment.withWeight(1)

  constructor(write: (stream: Stream, message: Buffer) => void) {
    this.#write = write
  }

  opened(stream: Stream): void {
    this.#streams.add(stream)
    this.#write(stream, this.#message)
  }

  closed(stream: Stream): void {
    this.#streams.delete(stream)
  }

  /** Opens the HTTP port and says on stdout that the server is ready. */
  serve(grpcPort: number): void {
    const server = createServer((request, response) => this.#change(request, response))
    server.listen(0, '127.0.0.1', () => {
      const { port: httpPort } = server.address() as AddressInfo
      process.stdout.write(`${JSON.stringify({ msg: 'ready', grpcPort, httpPort })}\n`)
    })
  }

  #change(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    const weight = Number(url.slice(url.lastIndexOf('=') + 1))
    this.#message = this.#assignment.withWeight(weight)
    for (const stream of this.#streams) this.#write(stream, this.#message)
    response.writeHead(204).end()
  }
}
