/** What is wrong with documents at present, for people. */
import { RollcallError } from '../errors.ts'

export interface DocumentError {
  /** Relative to the directory; the directory itself is `.`. */
  readonly file: string
  /** A JSON pointer into the document; empty where there is none to point to. */
  readonly path: string
  readonly message: string
  /** ISO 8601. */
  readonly since: string
}

/** Keeps the time of an error that was there already. */
export function documentError(
  file: string,
  error: RollcallError,
  known: DocumentError | undefined,
  now: Date,
): DocumentError {
  const path = error.field?.startsWith('/') ? error.field : ''
  const isKnown = known?.message === error.message && known.file === file
  return { file, path, message: error.message, since: isKnown ? known.since : now.toISOString() }
}

/** A failure of the file system, as a refusal of the file. */
export function unreadable(file: string, cause: unknown): RollcallError {
  const { code, message } = cause as NodeJS.ErrnoException
  const details = { field: file, cause }
  return new RollcallError(
    'ROLLCALL_INVALID_ARGUMENT',
    `${file}: cannot be read: ${code ?? message}`,
    details,
  )
}
