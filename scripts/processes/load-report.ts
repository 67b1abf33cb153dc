/** What a load generator counts. Every request ends in exactly one of `statuses` and `errors`. */
export interface LoadReport {
  requests: number
  /** Requests without a 2xx answer. */
  failed: number
  /** Status code -> answers. */
  statuses: Record<string, number>
  /** What went wrong, with the body of a failed answer -> requests. */
  errors: Record<string, number>
  /** Body of a 2xx answer -> how many, and when the last of these requests was sent. */
  bodies: Record<string, { count: number; lastSentAt: number }>
  /** Since the start. */
  seconds: number
  /** From when a request was due to its whole answer: with a rate, waiting for its turn counts. */
  slowestMs: number
  p50Ms: number
  p99Ms: number
  /** Requests in flight at most. */
  mostInFlight: number
}

/** Milliseconds since 1970 that compare across the processes of one machine and never step. */
export function instant(): number {
  return performance.timeOrigin + performance.now()
}

/** `12,345 requests in 6.1 s (2,024/s), 0 failed` */
export function describeReport({ requests, failed, seconds, errors }: LoadReport): string {
  const count = (value: number): string => Math.round(value).toLocaleString('en-US')
  const kinds = Object.entries(errors).map(([what, times]) => `${times} x ${what}`)
  const why = kinds.length > 0 ? `: ${kinds.join(', ')}` : ''
  const rate = count(requests / Math.max(seconds, 0.001))
  return `${count(requests)} requests in ${seconds.toFixed(1)} s (${rate}/s), ${count(failed)} failed${why}`
}
