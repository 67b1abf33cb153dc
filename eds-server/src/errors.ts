/**
 * Every error that a caller can see, in one table: code, HTTP status, gRPC status, and whether trying the same
 * thing again can help. docs/errors.md repeats the table and a test compares the two. Codes are never reused.
 */
export const ERROR_TABLE = {
  ROLLCALL_INVALID_ARGUMENT: { http: 400, grpc: 3, retryable: false, title: 'A value is not allowed' },
  ROLLCALL_ADDRESS_REFUSED: {
    http: 400,
    grpc: 3,
    retryable: false,
    title: 'The address may not be registered',
  },
  ROLLCALL_LEASE_SECRET_INVALID: {
    http: 401,
    grpc: 16,
    retryable: false,
    title: 'The lease secret is not that of the instance',
  },
  ROLLCALL_ORIGIN_REFUSED: {
    http: 403,
    grpc: 7,
    retryable: false,
    title: 'The request names a foreign host or comes from another web site',
  },
  ROLLCALL_SECRET_REFUSED: {
    http: 403,
    grpc: 7,
    retryable: false,
    title: 'A secret would cross the network without encryption',
  },
  ROLLCALL_ROUTE_UNKNOWN: { http: 404, grpc: 12, retryable: false, title: 'There is no such route' },
  ROLLCALL_SERVICE_UNKNOWN: {
    http: 404,
    grpc: 5,
    retryable: false,
    title: 'No instance ever registered under this service',
  },
  ROLLCALL_INSTANCE_UNKNOWN: { http: 404, grpc: 5, retryable: false, title: 'There is no such instance' },
  ROLLCALL_NODE_UNKNOWN: { http: 404, grpc: 5, retryable: true, title: 'No such client is connected' },
  ROLLCALL_RESOURCE_UNKNOWN: {
    http: 404,
    grpc: 5,
    retryable: false,
    title: 'There is no such resource or type of resource',
  },
  ROLLCALL_METHOD_NOT_ALLOWED: {
    http: 405,
    grpc: 12,
    retryable: false,
    title: 'The route does not know this method',
  },
  ROLLCALL_REQUEST_TIMEOUT: {
    http: 408,
    grpc: 4,
    retryable: true,
    title: 'The request did not arrive in time',
  },
  ROLLCALL_INSTANCE_CONFLICT: {
    http: 409,
    grpc: 6,
    retryable: true,
    title: 'Another holder has a live lease on this instance id',
  },
  ROLLCALL_SERVICE_EXISTS: { http: 409, grpc: 6, retryable: false, title: 'The service is there already' },
  ROLLCALL_ADDRESS_AMBIGUOUS: {
    http: 409,
    grpc: 9,
    retryable: false,
    title: 'Several instances share the address',
  },
  ROLLCALL_REFERENCE_DANGLING: {
    http: 409,
    grpc: 9,
    retryable: false,
    title: 'A resource refers to another that is not there',
  },
  ROLLCALL_RESOURCE_IN_USE: {
    http: 409,
    grpc: 9,
    retryable: false,
    title: 'Other resources refer to the resource',
  },
  ROLLCALL_INCARNATION_SUPERSEDED: {
    http: 410,
    grpc: 9,
    retryable: false,
    title: 'A newer life of the instance, or another instance at its address, took over',
  },
  ROLLCALL_LEASE_EXPIRED: {
    http: 410,
    grpc: 9,
    retryable: false,
    title: 'The lease ran out and the instance was removed: register again',
  },
  ROLLCALL_INSTANCE_DEREGISTERED: {
    http: 410,
    grpc: 9,
    retryable: false,
    title: 'The instance was deregistered on purpose',
  },
  ROLLCALL_BODY_TOO_LARGE: {
    http: 413,
    grpc: 8,
    retryable: false,
    title: 'The body is larger than the limit',
  },
  ROLLCALL_MEDIA_TYPE_UNSUPPORTED: {
    http: 415,
    grpc: 3,
    retryable: false,
    title: 'The media type is not supported',
  },
  ROLLCALL_HEADERS_TOO_LARGE: {
    http: 431,
    grpc: 8,
    retryable: false,
    title: 'The header block is larger than 16 KiB',
  },
  ROLLCALL_INTERNAL: { http: 500, grpc: 13, retryable: true, title: 'The server failed' },
  ROLLCALL_NOT_READY: {
    http: 503,
    grpc: 14,
    retryable: true,
    title: 'The server is not ready or is stopping',
  },
  ROLLCALL_STORE_UNAVAILABLE: {
    http: 503,
    grpc: 14,
    retryable: true,
    title: 'Registrations cannot be written to disk (at start: exit 1)',
  },
  ROLLCALL_LIMIT_REACHED: {
    http: 507,
    grpc: 8,
    retryable: false,
    title: 'A limit of the registry is reached',
  },
  ROLLCALL_OPTION_INVALID: {
    http: 500,
    grpc: 3,
    retryable: false,
    title: 'A flag, environment variable or config entry is wrong (exit 2)',
  },
  ROLLCALL_PORT_IN_USE: { http: 500, grpc: 14, retryable: true, title: 'A port is already in use (exit 1)' },
} as const

export type ErrorCode = keyof typeof ERROR_TABLE

export interface ErrorDetails {
  /** The offending field as a path: `locality.zone`, `heartbeats[3].incarnation`. */
  field?: string
  /** The offending value as given; cut to 200 characters when it is text. */
  value?: unknown
  cause?: unknown
  /** When trying again can help, where that is known. */
  retryAfterMs?: number
}

/** The one error class of the server. `message` names the field and the value where there are any. */
export class RollcallError extends Error {
  readonly code: ErrorCode
  readonly field: string | undefined
  readonly value: unknown
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'RollcallError'
    this.code = code
    this.field = details.field
    this.retryAfterMs = details.retryAfterMs
    this.value = typeof details.value === 'string' ? details.value.slice(0, 200) : details.value
  }

  get httpStatus(): number {
    return ERROR_TABLE[this.code].http
  }

  get grpcStatus(): number {
    return ERROR_TABLE[this.code].grpc
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable
  }
}

/** A refused value: the message names the field, the value and what is allowed. */
export function invalidArgument(field: string, value: unknown, allowed: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: ${shown(value)} is not ${allowed}`, {
    field,
    value,
  })
}

/** A value as it appears in a message: JSON, so that control characters are escaped, at most 200 characters. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
