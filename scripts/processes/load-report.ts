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
  /** The longest time between sending a request and having its whole answer. */
  slowestMs: number
}

export function emptyReport(): LoadReport {
  return { requests: 0, failed: 0, statuses: {}, errors: {}, bodies: {}, seconds: 0, slowestMs: 0 }
}

/** Milliseconds since 1970 that compare across the processes of one machine and never step. */
export function instant(): number {
  return performance.timeOrigin + performance.now()
}

/** Books one answer. `sentAt` is an `instant()`. */
export function bookAnswer(report: LoadReport, status: number, body: string, sentAt: number): void {
  report.statuses[status] = (report.statuses[status] ?? 0) + 1
  if (status < 200 || status > 299) {
    bookError(report, `${status} ${body.slice(0, 100)}`, sentAt)
    return
  }
  bookTime(report, sentAt)
  const seen = report.bodies[body]
  if (seen === undefined) report.bodies[body] = { count: 1, lastSentAt: sentAt }
  else {
    seen.count++
    if (sentAt > seen.lastSentAt) seen.lastSentAt = sentAt
  }
}

export function bookError(report: LoadReport, what: string, sentAt: number): void {
  report.failed++
  report.errors[what] = (report.errors[what] ?? 0) + 1
  bookTime(report, sentAt)
}

function bookTime(report: LoadReport, sentAt: number): void {
  report.requests++
  report.slowestMs = Math.max(report.slowestMs, instant() - sentAt)
}

/** `12,345 requests in 6.1 s (2,024/s), 0 failed` */
export function describeReport({ requests, failed, seconds, errors }: LoadReport): string {
  const count = (value: number): string => Math.round(value).toLocaleString('en-US')
  const kinds = Object.entries(errors).map(([what, times]) => `${times} x ${what}`)
  const why = kinds.length > 0 ? `: ${kinds.join(', ')}` : ''
  const rate = count(requests / Math.max(seconds, 0.001))
  return `${count(requests)} requests in ${seconds.toFixed(1)} s (${rate}/s), ${count(failed)} failed${why}`
}
