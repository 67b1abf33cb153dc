/**
 * Every error that the SDK throws, rejects with or reports: a `code`, whether trying the same again can help,
 * and the field and value at fault where there is one. `instanceof` goes by a `Symbol.for` brand, so that it
 * also holds between two installed copies of this package.
 */
const BRAND: unique symbol = Symbol.for('rollcall.sdk.error')

export interface ErrorDetails {
  retryable?: boolean
  field?: string | undefined
  value?: unknown
  cause?: unknown
}

/** Base of all. `code` is `ROLLCALL_…`: the SDK's own, or the registry's as it answered. */
export class RollcallError extends Error {
  /** The class's name, spelt out since minifiers shorten the real one. */
  static readonly kind: string = 'RollcallError'
  readonly code: string
  readonly retryable: boolean
  readonly field: string | undefined
  readonly value: unknown

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.kind
    this.code = code
    this.retryable = details.retryable ?? false
    this.field = details.field
    this.value = details.value
    Object.defineProperty(this, BRAND, { value: lineage(new.target) })
  }
}

Object.defineProperty(RollcallError, Symbol.hasInstance, {
  value(this: typeof RollcallError, value: unknown): boolean {
    // A user's own subclass has no kind of its own: the usual rule.
    if (!Object.hasOwn(this, 'kind')) return Function.prototype[Symbol.hasInstance].call(this, value)
    const kinds = (value as { [BRAND]?: readonly string[] } | null | undefined)?.[BRAND]
    return Array.isArray(kinds) && kinds.includes(this.kind)
  },
})

/** An option, or the environment variable that stands for it, is wrong. Code ROLLCALL_OPTION_INVALID. */
export class OptionError extends RollcallError {
  static override readonly kind: string = 'OptionError'

  constructor(field: string, value: unknown, allowed: string) {
    super('ROLLCALL_OPTION_INVALID', `${field}: ${shown(value)} is not ${allowed}`, { field, value })
  }
}

/** The registry answered with an error; `code`, `field` and `value` are those of its problem document. */
export class RegistryError extends RollcallError {
  static override readonly kind: string = 'RegistryError'
  /** The HTTP status. */
  readonly status: number

  constructor(status: number, code: string, message: string, details: ErrorDetails = {}) {
    super(code, message, { retryable: status >= 500 || [408, 409, 429].includes(status), ...details })
    this.status = status
  }

  /** True when it is the record itself that the registry does not take: the same record never will be. */
  get isRefusal(): boolean {
    return [400, 413, 415, 422].includes(this.status)
  }
}

/** No registry could be reached, or none answered in time. Code ROLLCALL_REGISTRY_UNREACHABLE, retryable; `value` is the url. */
export class UnreachableError extends RollcallError {
  static override readonly kind: string = 'UnreachableError'

  constructor(url: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message || ((cause as { code?: string }).code ?? '') : cause
    super('ROLLCALL_REGISTRY_UNREACHABLE', `${url}: ${reason}`, { retryable: true, value: url, cause })
  }
}

/** One client of the service that had not confirmed when time ran out. */
export interface PendingNode {
  node: string
  cluster: string
  state: string
}

/** How far a change has got: clients that subscribe to the service, those that confirmed, and the laggards. */
export interface DeliveryReport {
  subscribers: number
  acked: number
  pending: readonly PendingNode[]
  /** The registry has just restarted: clients that it does not know of yet may still have us. */
  incomplete?: boolean
}

/** `live()` or `gone()` ran out of time. Codes ROLLCALL_NOT_LIVE and ROLLCALL_NOT_GONE; `pending` names the laggards. */
export class DeliveryError extends RollcallError {
  static override readonly kind: string = 'DeliveryError'
  readonly report: DeliveryReport | undefined

  constructor(
    state: 'live' | 'gone',
    timeoutMs: number,
    report: DeliveryReport | undefined,
    cause?: unknown,
  ) {
    const who = report
      ? `waiting for ${nodeNames(report)}`
      : cause instanceof Error
        ? cause.message
        : 'not registered'
    super(`ROLLCALL_NOT_${state.toUpperCase()}`, `not ${state} after ${timeoutMs} ms: ${who}`, {
      retryable: true,
      cause,
    })
    this.report = report
  }

  get pending(): readonly PendingNode[] {
    return this.report?.pending ?? []
  }
}

export function nodeNames(report: DeliveryReport): string {
  const names = report.pending.map(({ node, state }) => `${node} (${state})`)
  if (report.incomplete) names.push('clients of before a restart of the registry')
  return names.join(', ')
}

/** Whether nobody can have us any more: all have confirmed, and the registry knows them all. */
export function isGone({ pending, incomplete }: DeliveryReport): boolean {
  return pending.length === 0 && !incomplete
}

/** A value as it appears in a message: JSON, so that control characters are escaped, at most 200 characters. */
export function shown(value: unknown): string {
  let text: string
  try {
    text = JSON.stringify(value) ?? String(value)
  } catch {
    text = String(value)
  }
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function lineage(kindOfError: typeof RollcallError): string[] {
  const above: typeof RollcallError = Object.getPrototypeOf(kindOfError)
  return [kindOfError.kind, ...(above.kind ? lineage(above) : [])]
}
