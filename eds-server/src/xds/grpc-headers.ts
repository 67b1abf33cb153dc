/** The headers and trailers that gRPC puts on HTTP/2. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'

const CONTENT_TYPE = 'application/grpc'

/** Of a call that has something to say. */
export const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: CONTENT_TYPE,
  // Who compresses learns from it what to do instead.
  'grpc-accept-encoding': 'identity',
}

export const UNSUPPORTED_MEDIA_TYPE: OutgoingHttpHeaders = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE,
}

/** `application/grpc` or one of its forms, as `application/grpc+proto`. */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith(CONTENT_TYPE) ?? false
}

/** `details` are words of ours. */
export function statusTrailers(code: number, details: string): OutgoingHttpHeaders {
  const message = details === '' ? {} : { 'grpc-message': encodeURI(details) }
  return { 'grpc-status': String(code), ...message }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/** What the client gives the call, milliseconds; undefined without a limit. NaN for what is no timeout. */
export function timeoutMs(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['grpc-timeout']
  if (text === undefined) return undefined
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(text)) ?? []
  return Number(digits) * (UNIT_MS[unit] ?? Number.NaN)
}
