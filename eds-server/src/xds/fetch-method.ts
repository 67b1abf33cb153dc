/** One resource type in one generation of the protocol over REST: its path, and how its answers are written. */
import { jsonOf } from './json.ts'
import type { ResourceSet } from './resource-cache.ts'
import type { ResourceType } from './resource-type.ts'

export interface FetchMethod {
  /** `/v3/discovery:endpoints` */
  readonly path: string
  readonly typeUrl: string
  readonly generation: 'v2' | 'v3'
  readonly type: ResourceType
}

/** None for a type that has no REST form. */
export function methodsOf(type: ResourceType): FetchMethod[] {
  const { restName, typeUrl, v2TypeUrl } = type
  if (restName === undefined) return []
  const v3 = { path: `/v3/discovery:${restName}`, typeUrl, generation: 'v3' as const, type }
  if (v2TypeUrl === undefined) return [v3]
  return [v3, { path: `/v2/discovery:${restName}`, typeUrl: v2TypeUrl, generation: 'v2' as const, type }]
}

/** A discovery response as JSON text; `identifier` tells clients which server answers them. */
export function answerText(method: FetchMethod, set: ResourceSet, identifier: string): string {
  const { typeUrl, generation } = method
  const texts = set.resources.map(resource => jsonOf(resource, typeUrl))
  const head = `{"version_info":${JSON.stringify(set.version)},"resources":[${texts.join(',')}]`
  // The first clients of v2 refuse a field that they do not know.
  const origin = generation === 'v2' ? '' : `,"control_plane":${JSON.stringify({ identifier })}`
  return `${head},"type_url":${JSON.stringify(typeUrl)}${origin}}`
}
