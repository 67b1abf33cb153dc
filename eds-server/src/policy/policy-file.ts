/** The file that --policy names. */
import { Value } from 'typebox/value'
import { RollcallError, shown } from '../errors.ts'
import { parseYaml, readYamlFile } from '../yaml-file.ts'
import type { Policy } from './policy.ts'
import { policySchema } from './policy-schema.ts'

/** Throws ROLLCALL_OPTION_INVALID that names the file, and the field where one is to blame. */
export function readPolicyFile(file: string): Policy {
  return checked(
    readYamlFile(file, (reason, cause) => refusal(file, reason, cause)),
    file,
  )
}

/** `file` is for messages. */
export function parsePolicy(text: string, file: string): Policy {
  return checked(
    parseYaml(text, (reason, cause) => refusal(file, reason, cause)),
    file,
  )
}

function checked(content: unknown, file: string): Policy {
  const [error] = Value.Errors(policySchema, content)
  if (error) throw schemaRefusal(file, error)
  const policy = content as Policy
  checkNames(policy, file)
  return policy
}

interface SchemaError {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly params: object
}

function schemaRefusal(
  file: string,
  { keyword, schemaPath, instancePath, params }: SchemaError,
): RollcallError {
  const at = instancePath || '/'
  if (keyword === 'required' && 'requiredProperties' in params) {
    return refusal(file, `${at}: ${String(params.requiredProperties)} is missing`)
  }
  // The schema of a field that is not in the table is `false`.
  if (keyword === 'boolean') return refusal(file, `${at}: there is no such field`)
  return refusal(file, `${at}: is not ${allowedBy(schemaPath)}`)
}

/** What the innermost described schema on the way to the violation allows. */
function allowedBy(schemaPath: string): string {
  let schema: unknown = policySchema
  let description = 'allowed'
  for (const part of ['', ...schemaPath.split('/').slice(1)]) {
    if (part !== '') schema = (schema as Readonly<Record<string, unknown>> | undefined)?.[part]
    const found = (schema as { description?: string } | undefined)?.description
    if (found !== undefined) description = found.split('. ')[0] ?? found
  }
  return description
}

/** What a schema cannot say: names that must be there, and once. */
function checkNames({ listeners = [], services }: Policy, file: string): void {
  const names = new Set<string>()
  for (const [index, { name }] of listeners.entries()) {
    if (names.has(name)) throw refusal(file, `/listeners/${index}/name: ${shown(name)} is there twice`)
    names.add(name)
  }
  for (const [index, { routes = [], subsets = [] }] of services.entries()) {
    const keySets = subsets.map(keys => [...keys].sort().join())
    for (const [number, rule] of routes.entries()) {
      const at = `/services/${index}/routes/${number}`
      const unknown = rule.listeners?.find(name => !names.has(name))
      if (unknown !== undefined)
        throw refusal(file, `${at}/listeners: there is no listener ${shown(unknown)}`)
      // Envoy would fall back to any instance without a word.
      if (rule.subset && !keySets.includes(Object.keys(rule.subset).sort().join())) {
        throw refusal(file, `${at}/subset: its keys are not among the subsets of the service rule`)
      }
    }
  }
}

function refusal(file: string, reason: string, cause?: unknown): RollcallError {
  return new RollcallError('ROLLCALL_OPTION_INVALID', `--policy: ${shown(file)} ${reason}`, {
    field: '--policy',
    value: file,
    cause,
  })
}
