/**
 * Errors as RFC 9457 problem documents. Every error answer of every route is made here; the code, its status and
 * its title come from ERROR_TABLE. A value is repeated only when it is a scalar, and never when it is a secret.
 */
import type { FastifyReply } from 'fastify'
import { ERROR_TABLE, type ErrorCode, RollcallError } from '../errors.ts'
import { asSchemaError, schemaRefusal } from './schema-refusal.ts'

export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  /** The offending field as a path. */
  readonly field?: string
  /** The offending value, when it is a scalar. */
  readonly value?: string | number | boolean | null
}

export const PROBLEM_TYPE = 'application/problem+json'

export function problemOf(error: RollcallError): Problem {
  const { field, value } = error
  const { http: status, title } = ERROR_TABLE[error.code]
  return {
    type: 'about:blank',
    title,
    status,
    detail: error.message,
    code: error.code,
    ...(field !== undefined && { field }),
    ...(isScalar(value) && { value }),
  }
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

export function sendProblem(reply: FastifyReply, error: RollcallError): FastifyReply {
  // RFC 9110 11.6.1: a 401 names the scheme that it wants.
  if (error.httpStatus === 401) reply.header('www-authenticate', 'Rollcall-Lease')
  if (error.httpStatus === 503) {
    reply.header('retry-after', String(Math.max(1, Math.ceil((error.retryAfterMs ?? 0) / 1000))))
  }
  return reply
    .code(error.httpStatus)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(error)))
}

/**
 * Whatever was thrown, as an error of ours. What we do not know is ROLLCALL_INTERNAL, and says nothing more.
 * `bodyLimit`: bytes, of the route.
 */
export function asRollcallError(thrown: unknown, bodyLimit?: number): RollcallError {
  if (thrown instanceof RollcallError) return thrown
  const schemaError = asSchemaError(thrown)
  if (schemaError) return schemaRefusal(schemaError)
  const { code = '', statusCode = 500, message = '' } = (thrown ?? {}) as Partial<FrameworkError>
  const details = { cause: thrown }
  const known = FRAMEWORK_ERRORS[code]
  if (known) {
    const limit = known.code === 'ROLLCALL_BODY_TOO_LARGE' && bodyLimit ? `: ${bodyLimit} bytes` : ''
    const detail = (known.detail ?? message) + limit
    return new RollcallError(known.code, detail, { ...details, ...fieldOf(known.field) })
  }
  if (statusCode >= 400 && statusCode < 500) {
    return new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, details)
  }
  return new RollcallError('ROLLCALL_INTERNAL', 'the server failed; its log says how', details)
}

function fieldOf(field: string | undefined): { field?: string } {
  return field === undefined ? {} : { field }
}

interface FrameworkError {
  code: string
  statusCode: number
  message: string
}

interface KnownError {
  readonly code: ErrorCode
  readonly field?: string
  /** Missing: the framework's own message says it well enough. */
  readonly detail?: string
}

const JSON_ONLY = 'content-type: a body must be application/json, or a form where the route takes one'

const FRAMEWORK_ERRORS: Readonly<Record<string, KnownError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'ROLLCALL_BODY_TOO_LARGE',
    field: 'body',
    detail: 'body: larger than the limit of this route',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'ROLLCALL_MEDIA_TYPE_UNSUPPORTED',
    field: 'content-type',
    detail: JSON_ONLY,
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'ROLLCALL_INVALID_ARGUMENT',
    field: 'content-length',
    detail: 'content-length: is not the length of the body',
  },
  FST_ERR_BAD_URL: {
    code: 'ROLLCALL_INVALID_ARGUMENT',
    field: 'url',
    detail: 'url: has a percent-encoding that is none',
  },
}
