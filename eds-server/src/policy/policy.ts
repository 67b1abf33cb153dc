/**
 * How a registered service becomes reachable through an Envoy that was given nothing but a bootstrap: what a policy
 * file says. It is merged over the settings that keep a deploy free of failed requests.
 */

/** A value as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
/** Fields of an Envoy message as proto3 JSON, with the names of the .proto files. */
export type Fields = { readonly [key: string]: Json }

export interface RouteRule {
  /** Names of listeners. Default: all. */
  readonly listeners?: readonly string[]
  /** Host patterns; `{service}` stands for the service. Default: every host. */
  readonly hosts?: readonly string[]
  /** `{service}` stands for the service. Default: `/{service}`, or `/` where hosts are given. */
  readonly prefix?: string
  /** The upstream sees the path without the prefix. Default: true. */
  readonly strip_prefix?: boolean
  /** Only instances with these metadata get the requests; the service rule's `subsets` must name the keys. */
  readonly subset?: Readonly<Record<string, string>>
  /** Merged over the route's action. */
  readonly route?: Fields
}

export interface ServiceRule {
  /** A service name in which `*` stands for any text. The first rule that matches a service counts. */
  readonly match: string
  /** False: neither cluster nor route. Fields are merged over the cluster. */
  readonly cluster?: false | Fields
  /** False: no active checks; `grpc`: the standard health service; else the path. Default: /healthz. */
  readonly health_check?: false | 'grpc' | string
  /** What the instances speak. Default: http1. */
  readonly protocol?: 'http1' | 'http2'
  /** Each locality gets its share by weight. Default: false. */
  readonly locality_weighted?: boolean
  /** Sets of metadata keys by whose values routes can choose instances. */
  readonly subsets?: readonly (readonly string[])[]
  /** Default: one rule with its defaults. An empty list: a cluster without a route. */
  readonly routes?: readonly RouteRule[]
}

export interface ListenerRule {
  readonly name: string
  /** Default: 127.0.0.1. */
  readonly address?: string
  readonly port: number
  /** Only nodes of this group get the listener and its routes. Default: all nodes. */
  readonly group?: string
  /** Merged over the listener. */
  readonly listener?: Fields
}

export interface Policy {
  readonly listeners?: readonly ListenerRule[]
  readonly services: readonly ServiceRule[]
}

/** What is made of services: a resource as proto3 JSON with `@type`, for the nodes of one group or of all. */
export interface Document {
  readonly json: Fields
  /** Undefined: for all nodes. */
  readonly group: string | undefined
  /** For messages: which rule made it, and of what. */
  readonly where: string
}

/** The rule that counts for the service; undefined: none does, and nothing is made of it. */
export function ruleFor(policy: Policy, service: string): ServiceRule | undefined {
  return policy.services.find(({ match }) => matches(match, service))
}

function matches(pattern: string, service: string): boolean {
  const [first = '', ...others] = pattern.toLowerCase().split('*')
  if (others.length === 0) return service === first
  const last = others.pop() ?? ''
  if (!service.startsWith(first) || !service.endsWith(last)) return false
  let from = first.length
  for (const part of others) {
    const at = service.indexOf(part, from)
    if (at < 0) return false
    from = at + part.length
  }
  return from <= service.length - last.length
}

/** RFC 7396: maps are merged, null removes, everything else replaces. */
export function merged(base: Fields, overrides: Fields | undefined): Fields {
  if (!overrides) return base
  const result: Record<string, Json> = { ...base }
  for (const [key, value] of Object.entries(overrides)) {
    const before = result[key]
    if (value === null) delete result[key]
    else if (isFields(value)) result[key] = merged(isFields(before) ? before : {}, value)
    else result[key] = value
  }
  return result
}

function isFields(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
