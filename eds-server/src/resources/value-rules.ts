/** What a rule of a .proto file says of one value. */
import type { DescField } from '@bufbuild/protobuf'
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect'
import type { Duration } from '@bufbuild/protobuf/wkt'
import type { Flaw } from './refusal.ts'

/** `validate.FieldRules` as JSON; 64-bit numbers are texts. */
export interface Rules {
  readonly message?: { readonly required?: boolean }
  readonly any?: { readonly required?: boolean }
  readonly timestamp?: { readonly required?: boolean }
  readonly duration?: Range<string> & { readonly required?: boolean }
  readonly string?: TextRules
  readonly bytes?: LengthRules
  readonly bool?: { readonly const?: boolean }
  readonly enum?: { readonly definedOnly?: boolean } & Listed
  readonly repeated?: Sizes<'Items'> & { readonly unique?: boolean; readonly items?: Rules }
  readonly map?: Sizes<'Pairs'> & { readonly keys?: Rules; readonly values?: Rules }
  /** One of these for a number, by the type of the field. */
  readonly [numeric: string]: unknown
}

type Sizes<Unit extends string> = { readonly [Key in `${'min' | 'max'}${Unit}`]?: number | string }

interface Range<Value> {
  readonly gt?: Value
  readonly gte?: Value
  readonly lt?: Value
  readonly lte?: Value
}

interface Listed {
  readonly const?: unknown
  readonly in?: readonly unknown[]
  readonly notIn?: readonly unknown[]
}

interface LengthRules extends Listed {
  readonly minLen?: string
  readonly maxLen?: string
}

interface TextRules extends LengthRules {
  readonly minBytes?: string
  readonly maxBytes?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly pattern?: string
  readonly wellKnownRegex?: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE'
  readonly strict?: boolean
  readonly ignoreEmpty?: boolean
}

const NUMERIC = [
  'float',
  'double',
  ...['', 'u', 's'].flatMap(sign => [`${sign}int32`, `${sign}int64`]),
].concat(['fixed32', 'fixed64', 'sfixed32', 'sfixed64'])

/** Undefined: it breaks none. `field`: where the value is that of a field and not an item of one. */
export function valueFlaw(
  field: DescField | undefined,
  value: unknown,
  rules: Rules,
  path: string,
): Flaw | undefined {
  if (isReflectMessage(value)) return messageFlaw(value, rules, path)
  const reason = scalarReason(field, value, rules)
  return reason === undefined
    ? undefined
    : { path, reason, value: typeof value === 'bigint' ? Number(value) : value }
}

function messageFlaw(message: ReflectMessage, rules: Rules, path: string): Flaw | undefined {
  const { typeName } = message.desc
  if (typeName === 'google.protobuf.Duration' && rules.duration) {
    const { seconds, nanos } = message.message as Duration
    const given = Number(seconds) + nanos / 1e9
    const reason = rangeReason(given, inSeconds(rules.duration), 's')
    return reason === undefined ? undefined : { path, reason, value: `${given}s` }
  }
  const wrapped = /^google\.protobuf\.\w+Value$/.test(typeName) ? message.desc.fields[0] : undefined
  return wrapped?.fieldKind === 'scalar' ? valueFlaw(wrapped, message.get(wrapped), rules, path) : undefined
}

function scalarReason(field: DescField | undefined, value: unknown, rules: Rules): string | undefined {
  if (typeof value === 'string' && rules.string) return textReason(value, rules.string)
  if (value instanceof Uint8Array && rules.bytes) return lengthReason(value.length, rules.bytes, 'bytes')
  if (typeof value === 'boolean') {
    const wanted = rules.bool?.const
    return wanted === undefined || wanted === value ? undefined : `is not ${wanted}`
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  if (rules.enum) return enumReason(field, Number(value), rules.enum)
  const numeric = NUMERIC.find(name => rules[name] !== undefined)
  if (numeric === undefined) return undefined
  const { gt, gte, lt, lte, ...listed } = rules[numeric] as Range<string | number> & Listed
  const range = Object.entries({ gt, gte, lt, lte }).flatMap(([name, limit]) =>
    limit === undefined ? [] : [[name, Number(limit)] as const],
  )
  return rangeReason(Number(value), Object.fromEntries(range), '') ?? listedReason(Number(value), listed)
}

function textReason(text: string, rules: TextRules): string | undefined {
  if (text === '' && rules.ignoreEmpty) return undefined
  const { minBytes, maxBytes, prefix = '', suffix = '', pattern, wellKnownRegex, strict = true } = rules
  if (!text.startsWith(prefix)) return `does not begin with ${prefix}`
  if (!text.endsWith(suffix)) return `does not end with ${suffix}`
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(text)) return `does not match ${pattern}`
  if (wellKnownRegex && !headerPattern(wellKnownRegex, strict).test(text)) {
    return `is not ${wellKnownRegex === 'HTTP_HEADER_NAME' ? 'the name' : 'the value'} of an HTTP header`
  }
  return (
    lengthReason([...text].length, rules, 'characters') ??
    lengthReason(Buffer.byteLength(text), { ...lengths(minBytes, maxBytes) }, 'bytes') ??
    listedReason(text, rules)
  )
}

function lengths(minLen: string | undefined, maxLen: string | undefined): LengthRules {
  return { ...(minLen !== undefined && { minLen }), ...(maxLen !== undefined && { maxLen }) }
}

function headerPattern(kind: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE', strict: boolean): RegExp {
  if (!strict) return /^[^\0\r\n]*$/
  return kind === 'HTTP_HEADER_NAME' ? /^:?[0-9a-zA-Z!#$%&'*+.^_|~`-]+$/ : CONTROL_FREE
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it refuses
const CONTROL_FREE = /^[^\0-\x08\x0a-\x1f\x7f]*$/

function lengthReason(length: number, { minLen, maxLen }: LengthRules, unit: string): string | undefined {
  if (length < Number(minLen ?? 0))
    return length === 0 ? 'is missing or empty' : `has fewer than ${minLen} ${unit}`
  return maxLen !== undefined && length > Number(maxLen) ? `has more than ${maxLen} ${unit}` : undefined
}

function enumReason(
  field: DescField | undefined,
  value: number,
  { definedOnly, ...listed }: { readonly definedOnly?: boolean } & Listed,
): string | undefined {
  const names = field?.enum?.values
  if (definedOnly && names && !names.some(({ number }) => number === value)) {
    return `is not one of ${names.map(({ name }) => name).join(', ')}`
  }
  return listedReason(value, listed)
}

function listedReason(value: unknown, rules: Listed): string | undefined {
  if (rules.const !== undefined && rules.const !== value) return `is not ${rules.const}`
  if (rules.in && !rules.in.includes(value)) return `is not one of ${rules.in.join(', ')}`
  return rules.notIn?.includes(value) ? 'is not allowed' : undefined
}

function rangeReason(value: number, { gt, gte, lt, lte }: Range<number>, unit: string): string | undefined {
  if (gt !== undefined && !(value > gt)) return `is not above ${gt}${unit}`
  if (gte !== undefined && !(value >= gte)) return `is below ${gte}${unit}`
  if (lt !== undefined && !(value < lt)) return `is not below ${lt}${unit}`
  return lte !== undefined && !(value <= lte) ? `is above ${lte}${unit}` : undefined
}

/** Durations are written as `0.001s` in JSON. */
function inSeconds(rules: Range<string>): Range<number> {
  const limits = Object.entries(rules).filter(([name]) => ['gt', 'gte', 'lt', 'lte'].includes(name))
  return Object.fromEntries(limits.map(([name, text]) => [name, Number.parseFloat(String(text))]))
}
