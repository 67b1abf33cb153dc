/** The `envoy.service.discovery.v3.Resource` that a document may put around its resource: a name, a time to live. */
import type { JsonValue } from '@bufbuild/protobuf'
import { Unfit } from './json-tree.ts'
import type { Kind } from './kinds.ts'
import { step } from './refusal.ts'

export const WRAPPER = 'envoy.service.discovery.v3.Resource'
export const WRAPPER_TYPE_URL: string = `type.googleapis.com/${WRAPPER}`
const TTL_S_MIN = 1
const TTL_S_MAX = 3600

export interface Wrapper {
  readonly name: JsonValue | undefined
  readonly ttl: JsonValue | undefined
  readonly resource: JsonValue
  /** Its own JSON pointer. */
  readonly at: string
}

/** `fields`: without `@type`. Throws Unfit. */
export function wrapperOf(fields: Readonly<Record<string, JsonValue>>, at: string): Wrapper {
  const { name, ttl, resource = null, ...others } = fields
  const [other] = Object.keys(others)
  if (other) {
    throw new Unfit({ path: step(at, other), reason: 'is not taken here; there are: name, resource, ttl' })
  }
  return { name, ttl, resource, at }
}

/** Milliseconds, of a duration in proto3 JSON (`1.5s`); undefined where none is given. Throws Unfit. */
export function ttlOf({ ttl, at }: Wrapper, { plural, type }: Kind): number | undefined {
  if (ttl === undefined || ttl === null) return undefined
  const path = step(at, 'ttl')
  if (!type.mayExpire) throw new Unfit({ path, reason: `is not taken for ${plural}, which clients keep` })
  const [, seconds] = (typeof ttl === 'string' && /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(ttl)) || []
  if (seconds === undefined) throw new Unfit({ path, reason: 'is not a duration such as 1.5s', value: ttl })
  if (Number(seconds) >= TTL_S_MIN && Number(seconds) <= TTL_S_MAX) return Math.round(Number(seconds) * 1000)
  throw new Unfit({ path, reason: `is not in the range of ${TTL_S_MIN}s to ${TTL_S_MAX}s`, value: ttl })
}

/** As it is in documents. */
export function ttlText(ttlMs: number): string {
  return `${ttlMs / 1000}s`
}
