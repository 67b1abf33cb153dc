/** Refusals of documents: where it is, the path of the part, what is wrong with it. */
import { type ErrorCode, RollcallError, shown } from '../errors.ts'

/** A part of a document, and what is wrong with it. */
export interface Flaw {
  /** A JSON pointer: `/filter_chains/0/filters/0/typed_config/stat_prefix`. The whole document: empty. */
  readonly path: string
  readonly reason: string
  /** Undefined: the value is of no interest, or not to be repeated. */
  readonly value?: unknown
}

/** `where`: the file and document, or the request. */
export function refusal(
  where: string,
  flaw: Flaw,
  code: ErrorCode = 'ROLLCALL_INVALID_ARGUMENT',
): RollcallError {
  const { path, reason, value } = flaw
  const isScalar = value !== null && ['string', 'number', 'boolean'].includes(typeof value)
  const parts = [where, path].filter(part => part !== '').join(': ') || 'resource'
  const message = `${parts}: ${isScalar ? `${shown(value)} ` : ''}${reason}`
  return new RollcallError(code, message, { field: path || 'resource', ...(isScalar && { value }) })
}

/** One step further in a JSON pointer (RFC 6901). */
export function step(path: string, key: string | number): string {
  const text = String(key)
  const shortened = text.length > 100 ? `${text.slice(0, 100)}…` : text
  return `${path}/${shortened.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The candidates that were probably meant, best first. */
export function nearest(given: string, candidates: Iterable<string>): string[] {
  const limit = Math.max(2, Math.ceil(given.length / 4))
  const near = Array.from(candidates, name => ({ name, distance: distance(given, name, limit) }))
  return near
    .filter(candidate => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Insertions, deletions and substitutions between two texts; more than `limit` is not counted out. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1])
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
