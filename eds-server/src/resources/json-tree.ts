/**
 * A JSON value as it comes from outside, made safe to work on: bounded in depth and in number of values (aliases
 * of YAML count each time), without keys that poison prototypes, and with sorted keys, so that equal content has
 * equal bytes whatever the order in which it was written.
 */
import type { JsonValue } from '@bufbuild/protobuf'
import { type Flaw, step } from './refusal.ts'

const DEPTH_MAX = 100
const VALUES_MAX = 100_000

/** A document that is refused. */
export class Unfit extends Error {
  readonly flaw: Flaw

  constructor(flaw: Flaw) {
    super(flaw.reason)
    this.flaw = flaw
  }
}

/** A sorted copy of the value at that JSON pointer. Throws Unfit. */
export function jsonTree(value: unknown, at: string): JsonValue {
  let left = VALUES_MAX
  const copy = (node: unknown, path: string, depth: number): JsonValue => {
    if (depth > DEPTH_MAX) throw new Unfit({ path, reason: `is nested deeper than ${DEPTH_MAX} levels` })
    left -= 1
    if (left < 0)
      throw new Unfit({ path, reason: `comes after ${VALUES_MAX} values: the document is too large` })
    if (Array.isArray(node)) return node.map((item, index) => copy(item, step(path, index), depth + 1))
    if (isPlain(node)) {
      const entries = Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1))
      return Object.fromEntries(
        entries.map(([key, item]) => {
          if (key === '__proto__')
            throw new Unfit({ path: step(path, key), reason: 'is a key that is refused' })
          return [key, copy(item, step(path, key), depth + 1)]
        }),
      )
    }
    if (node === null || typeof node === 'string' || typeof node === 'boolean') return node
    // .inf and .nan of YAML are texts in JSON.
    if (typeof node === 'number') return Number.isFinite(node) ? node : String(node)
    throw new Unfit({ path, reason: `is a ${typeof node} that JSON does not have` })
  }
  return copy(value, at, 0)
}

/** False for what parsers make of special values: dates, binaries, sets. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

export function isObject(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
