/**
 * The text of a file as documents, and documents as resources. YAML 1.2 and JSON by one parser; in one document
 * there is one resource, or a list as Envoy itself reads from files.
 */
import { parseAllDocuments } from 'yaml'
import type { Admission, AdmittedResource } from './admission.ts'
import { isObject } from './json-tree.ts'
import { refusal, step } from './refusal.ts'

export const RESOURCES_MAX = 10_000
/** Below the number at which a small text becomes a large document. */
const ALIASES_MAX = 100

/** Throws a RollcallError that names file, document, path and field. */
export function resourcesIn(text: string, file: string, admission: Admission): AdmittedResource[] {
  const values = valuesIn(text, file)
  const admitted = values.flatMap(({ value, where }) => inDocument(value, where, admission))
  const names = new Map<string, AdmittedResource>()
  for (const resource of admitted) {
    const key = JSON.stringify([resource.kind.plural, resource.name])
    if (names.has(key)) {
      const reason = `is in this file twice (${resource.kind.plural})`
      throw refusal(file, { path: '', reason, value: resource.name })
    }
    names.set(key, resource)
  }
  return admitted
}

interface Located {
  readonly value: unknown
  readonly where: string
}

function valuesIn(text: string, file: string): Located[] {
  const documents = parseAllDocuments(text, { resolveKnownTags: false })
  const located = [...documents].flatMap((document, index) => {
    const where = documents.length > 1 ? `${file}, document ${index + 1}` : file
    // A tag that is not known is only a warning to the parser.
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) throw refusal(where, { path: '', reason: wordsOf(problem) })
    const value = plain(document, where)
    return value === null ? [] : { value, where }
  })
  // Whoever replaces a file empties it first: what was in it is not gone (a deleted file is).
  if (located.length === 0) {
    throw refusal(file, { path: '', reason: 'holds no document; delete the file to remove its resources' })
  }
  return located
}

function wordsOf({ message }: Error): string {
  const [line = ''] = message.split('\n')
  return line.startsWith('Maximum call stack')
    ? 'is nested too deeply'
    : `is not YAML: ${line.replace(/:(?: ".*)?$/, '')}`
}

function plain(document: { toJS(options: { maxAliasCount: number }): unknown }, where: string): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw refusal(where, { path: '', reason: `is not a plain document: ${error.message}` })
  }
}

function inDocument(value: unknown, where: string, admission: Admission): AdmittedResource[] {
  if (!isObject(value) || !('resources' in value) || '@type' in value) return [admission.json(value, where)]
  const { resources, version_info: _, ...others } = value
  const [other] = Object.keys(others)
  if (other) {
    const reason = 'is not taken beside resources; there are: resources, version_info'
    throw refusal(where, { path: step('', other), reason })
  }
  if (!Array.isArray(resources)) throw refusal(where, { path: '/resources', reason: 'is not a list' })
  if (resources.length > RESOURCES_MAX) {
    const reason = `has more than ${RESOURCES_MAX} resources`
    throw refusal(where, { path: '/resources', reason }, 'ROLLCALL_LIMIT_REACHED')
  }
  return resources.map((resource, index) => admission.json(resource, where, `/resources/${index}`))
}
