/** Waiting for the clients' word, and the one place that says how calls other than heartbeats are repeated. */
import pRetry from 'p-retry'
import { DeliveryError, type DeliveryReport, isGone, RollcallError } from './errors.ts'
import type { RegistryClient } from './registry-client.ts'

/** Longest single question; the registry allows 60 s. */
const QUESTION_MS = 30_000

/**
 * Resolves when no subscribed client is pending any more. Rejects with DeliveryError after `timeoutMs`, whatever
 * the reason. `id` is asked anew each time: it is undefined while we are not registered.
 */
export async function awaitDelivery(
  client: RegistryClient,
  id: () => { service: string; instanceId: string } | undefined,
  state: 'live' | 'gone',
  timeoutMs: number,
): Promise<DeliveryReport> {
  const deadline = performance.now() + timeoutMs
  let report: DeliveryReport | undefined
  const ask = async (): Promise<DeliveryReport> => {
    const target = id()
    if (!target) throw new RollcallError('ROLLCALL_NOT_REGISTERED', 'not registered')
    const leftMs = Math.max(0, deadline - performance.now())
    report = await client.delivery(target, state, Math.min(QUESTION_MS, leftMs))
    // One that does not know us yet harms nobody; one that still has us sends requests.
    if (state === 'live' ? report.pending.length === 0 : isGone(report)) return report
    throw new DeliveryError(state, timeoutMs, report)
  }
  try {
    return await pRetry(ask, {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 50,
      maxTimeout: 500,
      maxRetryTime: timeoutMs,
      shouldRetry: ({ error }) => !(error instanceof RollcallError && error.code === 'ROLLCALL_CLOSED'),
    })
  } catch (error) {
    if (error instanceof RollcallError && error.code === 'ROLLCALL_CLOSED') throw error
    throw new DeliveryError(state, timeoutMs, report, error instanceof DeliveryError ? undefined : error)
  }
}

/** Repeats a call of the drain while repeating can help: a few times, soon, and never past `signal`. */
export function retried<Answer>(
  ask: () => Promise<Answer>,
  mostMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  return pRetry(ask, {
    retries: 3,
    minTimeout: 100,
    maxRetryTime: mostMs,
    signal,
    shouldRetry: ({ error }) => error instanceof RollcallError && error.retryable,
  })
}
