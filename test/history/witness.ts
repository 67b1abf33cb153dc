/**
 * A wire between Envoys and the EDS server's gRPC port: passes every byte as it is and records what the assignments
 * and their ACKs were. Either side's end is passed on, so a server that dies looks as it does without a witness; a
 * new server on the same port is reached by the next connection. On demand the wire is slow, silently cut, or spoils what it
 * passes on.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { stringField, uintField } from '../../eds-server/src/xds/wire.ts'
import { DiscoveryTap } from './discovery-tap.ts'
import type { Sighting } from './history.ts'

interface Connection {
  readonly client: Socket
  readonly server: Socket
}

export class Witness implements AsyncDisposable {
  readonly #serverPort: number
  readonly #record: (sighting: Sighting) => void
  readonly #listener: Server
  readonly #connections = new Set<Connection>()
  #count = 0
  #whole: Deferred | undefined
  #delayMs = 0
  #spoiled: number | undefined

  private constructor(serverPort: number, record: (sighting: Sighting) => void) {
    this.#serverPort = serverPort
    this.#record = record
    this.#listener = createServer({ allowHalfOpen: true }, client => this.#connected(client))
  }

  static async start(serverPort: number, record: (sighting: Sighting) => void): Promise<Witness> {
    const witness = new Witness(serverPort, record)
    await new Promise<void>(resolve => witness.#listener.listen(0, '127.0.0.1', resolve))
    return witness
  }

  get port(): number {
    const address = this.#listener.address()
    if (address === null || typeof address === 'string') throw new Error('the witness does not listen')
    return address.port
  }

  /** How many connections are open. */
  get size(): number {
    return this.#connections.size
  }

  /** The wire goes dead without a word: neither bytes nor the end of a connection are passed on. */
  cut(): void {
    this.#whole ??= deferred()
  }

  /** What was on its way arrives now, as TCP's retransmissions would. */
  heal(): void {
    this.#whole?.resolve()
    this.#whole = undefined
  }

  /** Everything arrives so much later, in order. 0: at once. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /**
   * From now on assignments with an endpoint of 127.0.0.1 at this port, 16,384 or more, reach their Envoy with a port
   * that does not exist, which Envoy refuses. undefined: none. What is recorded is what the server sent.
   */
  spoil(port: number | undefined): void {
    this.#spoiled = port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close()
    for (const { client, server } of this.#connections) {
      client.destroy()
      server.destroy()
    }
  }

  #connected(client: Socket): void {
    this.#count += 1
    const name = String(this.#count)
    const server = connect({ port: this.#serverPort, host: '127.0.0.1', allowHalfOpen: true })
    const connection = { client, server }
    this.#connections.add(connection)
    this.#record({ kind: 'connected', stream: name })
    const tap = new DiscoveryTap(name, this.#record)
    this.#pass(client, server, bytes => tap.fromClient(bytes))
    this.#pass(server, client, bytes => tap.fromServer(bytes))
    const closed = (): void => {
      if (!this.#connections.has(connection) || !client.destroyed || !server.destroyed) return
      this.#connections.delete(connection)
      this.#record({ kind: 'disconnected', stream: name })
    }
    client.once('close', closed)
    server.once('close', closed)
  }

  #pass(from: Socket, to: Socket, seen: (bytes: Buffer) => void): void {
    let earlier = Promise.resolve()
    const later = (work: () => void): void => {
      const due = this.#delayMs > 0 ? delay(this.#delayMs) : undefined
      earlier = earlier.then(async () => {
        await due
        await this.#whole?.promise
        work()
      })
    }
    from.on('data', (bytes: Buffer) =>
      later(() => {
        if (to.destroyed) return
        seen(bytes)
        if (to.write(this.#asPassedOn(bytes))) return
        from.pause()
        to.once('drain', () => from.resume())
      }),
    )
    from.once('end', () => later(() => to.end()))
    // A refused or reset connection is passed on as a reset.
    from.on('error', () => later(() => to.resetAndDestroy()))
    from.once('close', () => later(() => to.destroySoon()))
  }

  /** The port is a varint of three bytes: changing its last one keeps every length as it is. */
  #asPassedOn(bytes: Buffer): Buffer {
    if (this.#spoiled === undefined) return bytes
    const address = socketAddress(this.#spoiled)
    const spoiled = Buffer.from(bytes)
    for (let at = spoiled.indexOf(address); at >= 0; at = spoiled.indexOf(address, at + 1)) {
      spoiled[at + address.length - 1] = 0x7f
    }
    return spoiled
  }
}

/** The fields `address` and `port_value` of a SocketAddress. */
function socketAddress(port: number): Buffer {
  if (port < 16_384) throw new Error(`port ${port} is not a varint of three bytes`)
  return Buffer.concat([stringField(2, '127.0.0.1'), uintField(3, port)])
}

interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function deferred(): Deferred {
  let resolve = (): void => undefined
  const promise = new Promise<void>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
