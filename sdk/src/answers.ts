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
    return undefined // Not JSON, so not from a registry: the caller judges by the status and the shape.
  }
}

export function unintelligible(url: string, value: unknown): RegistryError {
  const message = `${url} did not answer like a Rollcall registry`
  return new RegistryError(200, 'ROLLCALL_ANSWER_INVALID', message, { retryable: true, value })
}

export function isRegisterAnswer(value: unknown): value is RegisterAnswer {
  const answer = value as Partial<RegisterAnswer> | undefined | null
  const intervalMs = answer?.lease?.heartbeatIntervalMs
  return Number.isFinite(answer?.incarnation) && typeof intervalMs === 'number' && intervalMs > 0
}

export function isReport(value: unknown): value is DeliveryReport {
  const report = value as Partial<DeliveryReport> | undefined | null
  return typeof report?.subscribers === 'number' && Array.isArray(report.pending)
}
