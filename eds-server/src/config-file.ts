/** The file that --config names: YAML, one key per option. */
import { OPTIONS, type OptionName } from './config-options.ts'
import { RollcallError, shown } from './errors.ts'
import { readYamlFile } from './yaml-file.ts'

export interface FileEntry {
  readonly text: string
  /** `grpc-port in rollcall.yaml`. */
  readonly place: string
}

/** Throws ROLLCALL_OPTION_INVALID that names the file, and the key where one is to blame. */
export function readConfigFile(file: FileEntry | undefined): Map<OptionName, FileEntry> {
  const entries = new Map<OptionName, FileEntry>()
  if (file === undefined) return entries
  const content = readYamlFile(file.text, (reason, cause) => refusal(file, reason, cause))
  if (content === null) return entries
  if (typeof content !== 'object' || Array.isArray(content)) throw refusal(file, 'is not a map of options')
  for (const [key, value] of Object.entries(content)) {
    const place = `${key} in ${file.text}`
    if (!Object.hasOwn(OPTIONS, key) || key === 'config') {
      throw invalid(place, value, `${place} is not an option; there are: ${optionNames().join(', ')}`)
    }
    entries.set(key as OptionName, { text: textOf(value, place), place })
  }
  return entries
}

/** Scalars and lists of scalars, written as a flag would be. */
function textOf(value: unknown, place: string): string {
  const isScalar = (each: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof each)
  if (isScalar(value)) return String(value)
  if (Array.isArray(value) && value.every(isScalar)) return value.join(',')
  throw invalid(place, value, `${place}: ${shown(value)} is neither a value nor a list of values`)
}

function optionNames(): string[] {
  return Object.keys(OPTIONS).filter(name => name !== 'config')
}

function refusal({ place, text }: FileEntry, reason: string, cause?: unknown): RollcallError {
  return invalid(place, text, `${place}: ${shown(text)} ${reason}`, cause)
}

function invalid(field: string, value: unknown, message: string, cause?: unknown): RollcallError {
  return new RollcallError('ROLLCALL_OPTION_INVALID', message, { field, value, cause })
}
