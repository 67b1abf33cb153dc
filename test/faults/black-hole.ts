/**
 * A host that vanishes without a word, without rights over the network: its process stands still, so what is connected
 * gets no answer, and its queue of connections is full, so that Linux drops every SYN as a dead host would.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Upstream } from '../../scripts/processes/programs.ts'

/** Linux accepts one more than the backlog, which is 511 in Node. */
const QUEUE = 512
/** A connection over loopback that takes longer than this will not be accepted. */
const UNANSWERED_MS = 300

/** Until it is disposed of. */
export async function blackHole({ child, port }: Upstream): Promise<AsyncDisposable> {
  child.signal('SIGSTOP')
  const sockets: Socket[] = []
  const dial = (): Socket => {
    const socket = connect(port, '127.0.0.1')
    // Reset when the process ends.
    socket.on('error', () => undefined)
    sockets.push(socket)
    return socket
  }
  for (let count = 0; count < QUEUE; count++) dial()
  for (let isFull = false; !isFull; ) {
    const last = dial()
    await delay(UNANSWERED_MS)
    isFull = last.connecting
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
