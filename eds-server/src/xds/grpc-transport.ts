/** The transport of a discovery stream over a gRPC call: messages are passed as the bytes they are on the wire. */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { STATUS, type Transport } from './stream-context.ts'

export type RawCall = ServerDuplexStream<Buffer, Buffer>

/** What a call is connected to. */
export interface CallReceiver {
  receive(bytes: Buffer): void
  drained(): void
  /** The client has half-closed the call. */
  left(): void
  /** The call is over; after `left` it says nothing new. */
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
    // A call that is reset or loses its connection ends too, and is not left for that.
    if (isReset(call)) closed()
    else receiver.left()
    call.end()
  })
  call.on('cancelled', closed)
  call.on('close', closed)
  call.on('error', closed)
}

interface Http2Stream {
  readonly closed?: boolean
  close?: (code: number) => void
}

/** grpc-js tells and does too little about how a call ends, so the HTTP/2 stream below is asked. */
function http2StreamOf(call: RawCall): Http2Stream | undefined {
  return (call as { call?: { stream?: Http2Stream } }).call?.stream
}

function isReset(call: RawCall): boolean {
  return http2StreamOf(call)?.closed === true
}

/** A status waits behind the messages that the client does not take, and they would be kept as long as it stays connected. */
function reset(call: RawCall): void {
  http2StreamOf(call)?.close?.(REFUSED_STREAM)
}
