/** Refusals as the statuses that unary calls end with. */
import { Metadata } from '@grpc/grpc-js'
import { RollcallError } from '../errors.ts'

/** Trailers are bounded by what clients accept as headers. */
const STATUS_MESSAGE_MAX = 2000

export interface CallStatus {
  readonly code: number
  readonly details: string
  /** `rollcall-code`: the code of the error. */
  readonly metadata: Metadata
}

/** `failed` is called for what is no refusal; of that the caller is told nothing. */
export function statusOf(error: unknown, failed: (error: unknown) => void): CallStatus {
  if (!(error instanceof RollcallError)) failed(error)
  const known =
    error instanceof RollcallError
      ? error
      : new RollcallError('ROLLCALL_INTERNAL', 'the server failed; its log says how')
  const metadata = new Metadata()
  metadata.set('rollcall-code', known.code)
  const details = `${known.code}: ${known.message}`.slice(0, STATUS_MESSAGE_MAX)
  return { code: known.grpcStatus, details, metadata }
}
