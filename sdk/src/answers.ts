/** Reading what a registry, or whatever stands at its address, answered. */
import { type DeliveryReport, RegistryError } from './errors.ts'

export interface RegisterAnswer {
  readonly incarnation: number
  readonly address: string
  readonly port: number
  readonly lease: { readonly ttlMs: number; readonly heartbeatIntervalMs: number }
}

/** The body of a good answer. Throws RegistryError with the problem that another one holds. */
export function read(url: string, status: number, text: string): unknown {
  const answer = parsed(text)
  if (status < 300) return answer
  const problem = (answer ?? {}) as Record<string, unknown>
  // A proxy's redirection or "not found" says nothing of our lease; a registry names its reasons by a code.
  if (status < 500 && typeof problem.code !== 'string') throw unintelligible(url, answer)
  const code = typeof problem.code === 'string' ? problem.code : `ROLLCALL_HTTP_${status}`
  const detail = [problem.detail, problem.title].find(each => typeof each === 'string')
  const field = typeof problem.field === 'string' ? problem.field : undefined
  throw new RegistryError(status, code, `${detail ?? `${url} answered ${status}`}`, {
    field,
    value: problem.value,
  })
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return text.slice(0, 200) // Not JSON, so not from a registry: the caller judges by the status and the shape.
  }
}

export const ANSWER_INVALID = 'ROLLCALL_ANSWER_INVALID'

export function unintelligible(url: string, value: unknown): RegistryError {
  const message = `${url} did not answer like a Rollcall registry`
  return new RegistryError(200, ANSWER_INVALID, message, { retryable: true, value })
}

export function isRegisterAnswer(value: unknown): value is RegisterAnswer {
  const answer = value as Partial<RegisterAnswer> | undefined | null
  const intervalMs = answer?.lease?.heartbeatIntervalMs
  return Number.isFinite(answer?.incarnation) && typeof intervalMs === 'number' && intervalMs > 0
}

/** The answer to a heartbeat has no body; whatever has one is not from a registry. */
export function isNothing(value: unknown): value is undefined {
  return value === undefined
}

/** Of a drain or a removal that waited; or a report alone. */
export function isDelivery(value: unknown): value is DeliveryReport | { delivery: DeliveryReport } {
  return isReport(value) || isReport((value as { delivery?: unknown } | undefined | null)?.delivery)
}

function isReport(value: unknown): value is DeliveryReport {
  const report = value as Partial<DeliveryReport> | undefined | null
  return typeof report?.subscribers === 'number' && Array.isArray(report.pending)
}
