/** Bytes over a socket, for requests that no client would send. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => 'a reset ends it as well as an end does')
  await once(socket, 'connect')
  return socket
}

/** Everything that the server says until it ends the connection. */
export async function conversation(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = await dial(port)
  for (const part of parts) socket.write(part)
  return untilEnd(socket)
}

export async function untilEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}
