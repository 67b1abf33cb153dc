/** The table of options: what each is called, allows, means and is when nobody says. */
import { BlockList, isIP } from 'node:net'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { parseDuration } from './duration.ts'
import { isCidr } from './http/address.ts'
import { DEFAULT_TTL_MS } from './registry/lease.ts'
import { DEFAULT_GROUPING, parseGrouping } from './xds/node-grouping.ts'

export interface OptionSpec {
  /** A switch needs no value on the command line. */
  readonly isSwitch?: boolean
  /** How --help calls the value. */
  readonly argument?: string
  readonly help: string
  /** What is allowed, for refusals. */
  readonly allowed: string
  /** Undefined: refused. */
  readonly parse: (text: string) => { readonly is: unknown } | undefined
  /** The value when nobody says, as `parse` would give it. */
  readonly fallback: unknown
}

export type OptionName =
  | 'grpc-port'
  | 'http-port'
  | 'host'
  | 'data-dir'
  | 'resources'
  | 'policy'
  | 'lease-ttl'
  | 'log-level'
  | 'node-group'
  | 'insecure-no-auth'
  | 'allow-addresses'
  | 'admin-ports'
  | 'config'

/** The default depends on another option: see {@link defaultDataDir}. */
export const BY_PORT: unique symbol = Symbol('by port')

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const PORT_RULE = 'a port: an integer from 0 (any free one) to 65535'

export const OPTIONS: Readonly<Record<OptionName, OptionSpec>> = {
  'grpc-port': {
    argument: 'PORT',
    help: 'Port of the discovery protocol; 0: any free one. Default 8080',
    allowed: PORT_RULE,
    parse: text => accept(portNumber(text, 0)),
    fallback: 8080,
  },
  'http-port': {
    argument: 'PORT',
    help: 'Port of the HTTP API; 0: any free one. Default 5000',
    allowed: PORT_RULE,
    parse: text => accept(portNumber(text, 0)),
    fallback: 5000,
  },
  host: {
    argument: 'ADDRESS',
    help: 'Address to listen on. Default 127.0.0.1',
    allowed: 'an IPv4 or IPv6 address without brackets, or localhost',
    parse: text =>
      accept(text === 'localhost' || (isIP(text) !== 0 && !text.includes('%')) ? text : undefined),
    fallback: '127.0.0.1',
  },
  'data-dir': {
    argument: 'DIR',
    help: 'Keeps registrations; none: memory only. Default ~/.local/state/rollcall/<http-port>',
    allowed: 'the name of a directory, or none',
    parse: text =>
      text === 'none' ? { is: undefined } : accept(text === '' || text.includes('\0') ? undefined : text),
    fallback: BY_PORT,
  },
  resources: {
    argument: 'DIR',
    help: 'YAML and JSON files with what clients are served: listeners, routes, clusters',
    allowed: 'the name of a directory',
    parse: text => accept(text === '' || text.includes('\0') ? undefined : text),
    fallback: undefined,
  },
  policy: {
    argument: 'FILE',
    help: 'A YAML file that says what is made of each service: clusters, routes, listeners',
    allowed: 'the name of a file',
    parse: text => accept(text === '' || text.includes('\0') ? undefined : text),
    fallback: undefined,
  },
  'lease-ttl': {
    argument: 'DURATION',
    help: 'A lease lapses so long after its last heartbeat. Default 15s',
    allowed: 'a duration such as 500ms, 15s or 1m, from 100ms to 60m',
    parse: text => accept(durationMs(text)),
    fallback: DEFAULT_TTL_MS,
  },
  'log-level': {
    argument: 'LEVEL',
    help: `One of ${LOG_LEVELS.join(', ')}. Default info`,
    allowed: `one of ${LOG_LEVELS.join(', ')}`,
    parse: text => accept(LOG_LEVELS.includes(text) ? text : undefined),
    fallback: 'info',
  },
  'node-group': {
    argument: 'KIND',
    help: 'What decides which snapshot a node gets: id, cluster or metadata:<key>. Default cluster',
    allowed: 'id, cluster, or metadata: and a key, such as metadata:fleet',
    parse: text => accept(parseGrouping(text)),
    fallback: DEFAULT_GROUPING,
  },
  'insecure-no-auth': {
    isSwitch: true,
    help: 'Listen beyond loopback although nobody is authenticated',
    allowed: 'true or false',
    parse: text => (text === 'true' || text === 'false' ? { is: text === 'true' } : undefined),
    fallback: false,
  },
  'allow-addresses': {
    argument: 'CIDR,...',
    help: 'Ranges that may be registered. Default 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7',
    allowed: 'a list of ranges such as 10.0.0.0/8,fd00::/8',
    parse: text => accept(listOf(text, item => (isCidr(item) ? item : undefined))),
    fallback: undefined,
  },
  'admin-ports': {
    argument: 'PORT,...',
    help: 'Ports that nobody may register. Default 9901,2379,2380',
    allowed: 'a list of ports such as 9901,2379',
    parse: text => accept(listOf(text, item => portNumber(item, 1))),
    fallback: undefined,
  },
  config: {
    argument: 'FILE',
    help: 'A YAML file with any of these options, named as here without the dashes',
    allowed: 'the name of a file',
    parse: text => ({ is: text }),
    fallback: undefined,
  },
}

/**
 * Below XDG_STATE_HOME, the place for what must outlive a restart and belongs to one machine; one directory for each
 * port, because two servers never share one. A server on any free port is another one each time: memory only.
 */
export function defaultDataDir(
  httpPort: number,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (httpPort === 0) return undefined
  const { XDG_STATE_HOME: given = '' } = env
  // Relative paths are to be ignored, says the XDG specification.
  const home = isAbsolute(given) ? given : join(env.HOME || homedir(), '.local', 'state')
  return join(home, 'rollcall', String(httpPort))
}

export function isLoopback(host: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return host === 'localhost' || loopback.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6')
}

function accept(value: unknown): { is: unknown } | undefined {
  return value === undefined ? undefined : { is: value }
}

function portNumber(text: string, min: number): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port >= min && port <= 65_535 ? port : undefined
}

function durationMs(text: string): number | undefined {
  try {
    return parseDuration(text, 'duration', { minMs: 100, maxMs: 3_600_000 })
  } catch {
    return undefined
  }
}

/** All items, or undefined when one of them is refused or there is none. */
function listOf<Item>(text: string, parse: (item: string) => Item | undefined): readonly Item[] | undefined {
  const items = text.split(',').map(item => parse(item.trim()))
  const accepted = items.filter(item => item !== undefined)
  return accepted.length === items.length ? Object.freeze(accepted) : undefined
}
