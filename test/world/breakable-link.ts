/** A TCP connection between a client and a port of ours that breaks when the test says so: reset for both sides. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

export class BreakableLink implements AsyncDisposable {
  port = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isBroken = false

  private constructor(targetPort: number) {
    this.#server = createServer(near => this.#join(near, targetPort))
  }

  static async to(targetPort: number): Promise<BreakableLink> {
    const link = new BreakableLink(targetPort)
    await new Promise<void>(resolve => link.#server.listen(0, '127.0.0.1', resolve))
    const address = link.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    link.port = address.port
    return link
  }

  /** Resets what is connected; new connections are reset until `mend`. */
  break(): void {
    this.#isBroken = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  mend(): void {
    this.#isBroken = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.break()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  #join(near: Socket, targetPort: number): void {
    if (this.#isBroken) {
      near.on('error', () => undefined)
      near.resetAndDestroy()
      return
    }
    const far = dial(targetPort, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      // Whatever ends one side ends the other.
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  }
}
