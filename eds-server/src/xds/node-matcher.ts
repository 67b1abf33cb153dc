/**
 * `envoy.type.matcher.v3.NodeMatcher`: which clients an operator asks for. Matchers are compiled once for a request;
 * what is not known here is refused by its path, since to pass over it would match more than was asked for.
 */
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { StructSchema } from '@bufbuild/protobuf/wkt'
import { invalidArgument, RollcallError } from '../errors.ts'
import type { ObservedNode } from './node-status.ts'

export interface StringMatcher {
  readonly exact?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly contains?: string
  readonly ignore_case?: boolean
  readonly safe_regex?: object
  readonly custom?: object
}

interface ValueMatcher {
  readonly null_match?: object
  readonly double_match?: { readonly exact?: number; readonly range?: { start?: number; end?: number } }
  readonly string_match?: StringMatcher
  readonly bool_match?: boolean
  readonly present_match?: boolean
  readonly list_match?: { readonly one_of?: ValueMatcher }
  readonly or_match?: { readonly value_matchers?: readonly ValueMatcher[] }
}

export interface NodeMatcher {
  readonly node_id?: StringMatcher
  readonly node_metadatas?: readonly {
    readonly path?: readonly { readonly key?: string }[]
    readonly value?: ValueMatcher
  }[]
}

type Test<Value> = (value: Value) => boolean

/** Deeper is no question that anybody asks. */
const DEPTH_MAX = 16
const PATTERNS = ['exact', 'prefix', 'suffix', 'contains'] as const

/** True for nodes that any of the matchers matches; without matchers for all. Throws ROLLCALL_INVALID_ARGUMENT. */
export function nodeTest(matchers: readonly NodeMatcher[] = []): Test<ObservedNode> {
  if (matchers.length === 0) return () => true
  const tests = matchers.map((matcher, index) => oneTest(matcher, `node_matchers[${index}]`))
  return node => tests.some(test => test(node))
}

/** All that one matcher says has to be true. */
function oneTest(
  { node_id: id, node_metadatas: metadatas = [] }: NodeMatcher,
  at: string,
): Test<ObservedNode> {
  const idTest = id && stringTest(id, `${at}.node_id`)
  const tests = metadatas.map(({ path = [], value }, index) => {
    const where = `${at}.node_metadatas[${index}]`
    if (path.length === 0) throw missing(`${where}.path`)
    if (!value) throw missing(`${where}.value`)
    const keys = path.map(({ key = '' }) => key)
    const test = valueTest(value, `${where}.value`)
    return (metadata: unknown): boolean => test(valueAt(metadata, keys))
  })
  return node => {
    if (idTest && !idTest(node.id)) return false
    if (tests.length === 0) return true
    const metadata = metadataOf(node)
    return tests.every(test => test(metadata))
  }
}

function stringTest(matcher: StringMatcher, at: string): Test<string> {
  const pattern = PATTERNS.find(each => matcher[each] !== undefined)
  if (!pattern) {
    const other = (['safe_regex', 'custom'] as const).find(each => matcher[each] !== undefined)
    // RE2 bounds the time that a pattern takes, and the engine here does not.
    if (other) throw unsupported(`${at}.${other}`, PATTERNS)
    throw missing(at)
  }
  const folded = (text: string): string => (matcher.ignore_case ? text.toLowerCase() : text)
  const wanted = folded(matcher[pattern] ?? '')
  if (pattern === 'exact') return text => folded(text) === wanted
  if (wanted === '') throw invalidArgument(`${at}.${pattern}`, '', 'a text of at least one character')
  if (pattern === 'prefix') return text => folded(text).startsWith(wanted)
  if (pattern === 'suffix') return text => folded(text).endsWith(wanted)
  return text => folded(text).includes(wanted)
}

function valueTest(matcher: ValueMatcher, at: string, depth = 0): Test<unknown> {
  if (depth > DEPTH_MAX) throw invalidArgument(at, depth, `at most ${DEPTH_MAX} levels deep`)
  const { string_match: text, double_match: number, bool_match: bool, present_match: present } = matcher
  const { list_match: list, or_match: or } = matcher
  if (matcher.null_match) return value => value === null
  if (text) {
    const test = stringTest(text, `${at}.string_match`)
    return value => typeof value === 'string' && test(value)
  }
  if (number) return numberTest(number)
  if (bool !== undefined) return value => value === bool
  if (present !== undefined) return value => isPrimitive(value) && present
  if (list?.one_of) {
    const test = valueTest(list.one_of, `${at}.list_match.one_of`, depth + 1)
    return value => Array.isArray(value) && value.some(test)
  }
  if (or?.value_matchers) {
    const tests = or.value_matchers.map((each, index) =>
      valueTest(each, `${at}.or_match.value_matchers[${index}]`, depth + 1),
    )
    return value => tests.some(test => test(value))
  }
  throw missing(at)
}

function numberTest({ exact, range }: NonNullable<ValueMatcher['double_match']>): Test<unknown> {
  const { start = 0, end = 0 } = range ?? {}
  return value =>
    typeof value === 'number' && (range ? value >= start && value < end : value === (exact ?? 0))
}

function isPrimitive(value: unknown): boolean {
  return value !== undefined && (value === null || typeof value !== 'object')
}

function valueAt(metadata: unknown, keys: readonly string[]): unknown {
  let value = metadata
  for (const key of keys) {
    const isInside = typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    if (!isInside) return undefined
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return value
}

/** As JSON; undefined where there is none that can be read. */
export function metadataOf({ metadataStruct }: ObservedNode): unknown {
  if (!metadataStruct) return undefined
  try {
    return toJson(StructSchema, fromBinary(StructSchema, metadataStruct))
  } catch (error) {
    // The client may send anything: what cannot be read matches nothing, and is passed on to nobody.
    if (error instanceof Error) return undefined
    throw error
  }
}

function missing(field: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `${field}: is missing or says nothing`, { field })
}

function unsupported(field: string, known: readonly string[]): RollcallError {
  const message = `${field}: is not supported; there are: ${known.join(', ')}`
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, { field })
}
