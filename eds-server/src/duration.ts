/** Durations as people write them: `500ms`, `5s`, `1m`. Pure. */
import { invalidArgument } from './errors.ts'

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000 }

export interface DurationRange {
  readonly minMs: number
  readonly maxMs: number
}

/** Milliseconds. Throws ROLLCALL_INVALID_ARGUMENT that names `field`, the text and what is allowed. */
export function parseDuration(text: string, field: string, { minMs, maxMs }: DurationRange): number {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m)$/.exec(text) ?? []
  const durationMs = Number(digits) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  if (durationMs >= minMs && durationMs <= maxMs) return durationMs
  const example = 'a duration such as 500ms, 5s or 1m'
  throw invalidArgument(field, text, `${example}, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`)
}

function formatDuration(durationMs: number): string {
  if (durationMs > 0 && durationMs % 60_000 === 0) return `${durationMs / 60_000}m`
  return durationMs % 1_000 === 0 ? `${durationMs / 1_000}s` : `${durationMs}ms`
}
