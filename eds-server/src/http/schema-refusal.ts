/**
 * Says in words what a schema refused. The schemas' descriptions begin with what is allowed, as a noun phrase up
 * to the first full stop, so that the document and the error say the same.
 */
import { RollcallError, shown } from '../errors.ts'

/** What Ajv reports with `verbose: true`. */
interface Violation {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message?: string
  readonly data?: unknown
  readonly parentSchema?: { readonly description?: string; readonly properties?: object }
}

export interface SchemaError {
  readonly validation: readonly Violation[]
  readonly validationContext: string
}

export function asSchemaError(thrown: unknown): SchemaError | undefined {
  const isSchemaError = thrown instanceof Error && 'validation' in thrown && Array.isArray(thrown.validation)
  return isSchemaError ? (thrown as unknown as SchemaError) : undefined
}

export function schemaRefusal({ validation, validationContext }: SchemaError): RollcallError {
  const [violation] = validation
  if (!violation) return invalid(validationContext, 'is not allowed')
  const at = fieldPath(violation.instancePath)
  const { missingProperty, additionalProperty } = violation.params
  if (typeof missingProperty === 'string') return invalid(join(at, missingProperty), 'is missing')
  if (typeof additionalProperty === 'string') return unknownField(at, additionalProperty, violation)
  // An absent body arrives here as null.
  if (at === '' && violation.data === null) return invalid(validationContext, 'is missing')
  return wrongValue(at || validationContext, violation.data, `is not ${allowedBy(violation)}`)
}

function unknownField(at: string, name: string, { parentSchema, data }: Violation): RollcallError {
  const known = Object.keys(parentSchema?.properties ?? {}).join(', ')
  const value = (data as Readonly<Record<string, unknown>>)[name]
  const reason = `is given to a field that does not exist; there are: ${known || 'none'}`
  return wrongValue(join(at, name.slice(0, 100)), value, reason)
}

/** A composite is named, not repeated: it may be deep enough to break a serialiser (F53). Nor is a secret (F59). */
function wrongValue(field: string, value: unknown, reason: string): RollcallError {
  if (/secret/i.test(field)) return invalid(field, `*** ${reason}`)
  if (Array.isArray(value)) return invalid(field, `${value.length === 0 ? 'an empty' : 'an'} array ${reason}`)
  if (typeof value === 'object' && value !== null) {
    return invalid(field, `${Object.keys(value).length === 0 ? 'an empty' : 'an'} object ${reason}`)
  }
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: ${shown(value)} ${reason}`, {
    field,
    value,
  })
}

function invalid(field: string, reason: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: ${reason}`, { field })
}

function allowedBy({ parentSchema, message }: Violation): string {
  return parentSchema?.description?.split('. ')[0] ?? `allowed: it ${message ?? 'breaks the schema'}`
}

/** `/heartbeats/3/incarnation` as `heartbeats[3].incarnation`. */
function fieldPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, 100))
    .reduce(join, '')
}

function join(path: string, part: string): string {
  if (/^\d+$/.test(part) && path !== '') return `${path}[${part}]`
  return path === '' ? part : `${path}.${part}`
}
