/** The routes of one listener: by host, then by the longest prefix. */
import { type Fields, type ListenerRule, merged, type Policy, type RouteRule, ruleFor } from './policy.ts'

const PREVIOUS_HOSTS =
  'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'

/** Safe for every method: the upstream never saw the request. */
const RETRY_POLICY: Fields = {
  retry_on: 'connect-failure,refused-stream,reset-before-request',
  num_retries: 2,
  host_selection_retry_max_attempts: 5,
  retry_host_predicate: [
    { name: 'envoy.retry_host_predicates.previous_hosts', typed_config: { '@type': PREVIOUS_HOSTS } },
  ],
}

interface Entry {
  readonly host: string
  readonly prefix: string
  readonly service: string
  readonly route: Fields
}

/** Where a route of the listener is named after. */
export function routeConfigName(listener: ListenerRule): string {
  return listener.name
}

/** The RouteConfiguration as proto3 JSON; the same bytes for the same services in any order. */
export function routesOf(policy: Policy, listener: ListenerRule, services: Iterable<string>): Fields {
  const entries = Array.from(services).flatMap(service => entriesOf(policy, listener, service))
  entries.sort(byPrecedence)
  const hosts = new Map<string, Entry[]>()
  for (const entry of entries) hosts.set(entry.host, [...(hosts.get(entry.host) ?? []), entry])
  return {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name: routeConfigName(listener),
    virtual_hosts: Array.from(hosts, ([host, ofHost]) => ({
      name: host,
      domains: [host],
      routes: ofHost.map(({ route }) => route),
    })),
  }
}

function entriesOf(policy: Policy, listener: ListenerRule, service: string): Entry[] {
  const rule = ruleFor(policy, service)
  if (!rule || rule.cluster === false) return []
  const { routes = [{}] } = rule
  return routes
    .filter(({ listeners }) => listeners?.includes(listener.name) ?? true)
    .flatMap(each => (each.hosts ?? ['*']).map(host => entryOf(each, host, service)))
}

function entryOf(rule: RouteRule, host: string, service: string): Entry {
  const fill = (text: string): string => text.replaceAll('{service}', service)
  const prefix = fill(rule.prefix ?? (rule.hosts ? '/' : '/{service}')).replace(/(?<=.)\/+$/, '')
  const action: Fields = {
    cluster: service,
    ...(prefix !== '/' && (rule.strip_prefix ?? true) ? stripped(prefix) : {}),
    ...(rule.subset ? { metadata_match: { filter_metadata: { 'envoy.lb': rule.subset } } } : {}),
    retry_policy: RETRY_POLICY,
  }
  const match: Fields = prefix === '/' ? { prefix } : { path_separated_prefix: prefix }
  return { host: fill(host), prefix, service, route: { match, route: merged(action, rule.route) } }
}

/** `/shop`, `/shop/` and `/shop?x` become `/`, which a plain rewrite of the prefix does not do for all three. */
function stripped(prefix: string): Fields {
  const literal = prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return { regex_rewrite: { pattern: { regex: `^${literal}/?` }, substitution: '/' } }
}

/** Envoy takes the first route that matches: longer prefixes come first, and equal ones in a stable order. */
function byPrecedence(a: Entry, b: Entry): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1
  if (a.prefix.length !== b.prefix.length) return b.prefix.length - a.prefix.length
  const [one, other] = [`${a.prefix} ${a.service}`, `${b.prefix} ${b.service}`]
  return one < other ? -1 : Number(one > other)
}
