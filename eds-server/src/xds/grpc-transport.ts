/** The transport of a discovery stream over a gRPC call: messages are passed as the bytes they are on the wire. */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { STATUS, type Transport } from './stream-context.ts'

export type RawCall = ServerDuplexStream<Buffer, Buffer>

/** What a call is connected to. */
export interface CallReceiver {
  receive(bytes: Buffer): void
  drained(): void
  closed(): void
}

/** HTTP/2's REFUSED_STREAM, which gRPC clients read as UNAVAILABLE. */
const REFUSED_STREAM = 7

/** Joins a call to the receiver that `open` makes for its transport. */
export function connect(call: RawCall, open: (transport: Transport) => CallReceiver): void {
  let untaken = 0
  const transport: Transport = {
    peer: call.getPeer(),
    write(message) {
      untaken += 1
      // The callback comes when HTTP/2 flow control has let the message go. `write`'s own answer counts
      // messages and not bytes: 16 of any size.
      call.write(message, () => {
        untaken -= 1
        if (untaken === 0) receiver.drained()
      })
      return false
    },
    end(code, details, isStalled = false) {
      if (code === STATUS.OK) call.end()
      else call.emit('error', { code, details })
      if (isStalled) reset(call)
    },
  }
  const receiver = open(transport)
  const closed = (): void => receiver.closed()
  call.on('data', (bytes: Buffer) => receiver.receive(bytes))
  // Which of these come, and in what order, depends on how the call ends (stack.md finding 5).
  call.on('end', () => {
    closed()
    call.end()
  })
  call.on('cancelled', closed)
  call.on('close', closed)
  call.on('error', closed)
}

/**
 * A status waits behind the messages that the client does not take, and they would be kept as long as it stays
 * connected. grpc-js offers no way to reset a call, so the HTTP/2 stream below is asked for.
 */
function reset(call: RawCall): void {
  const { call: inner } = call as { call?: { stream?: { close?: (code: number) => void } } }
  inner?.stream?.close?.(REFUSED_STREAM)
}
