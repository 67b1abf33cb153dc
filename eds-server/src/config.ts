/**
 * The options of the server: flag over environment over file over default. Validated once, at the start, then
 * frozen. One table is the source of parsing, of --help and of docs/configuration.md (a test compares them).
 */
import { parseArgs } from 'node:util'
import { readConfigFile } from './config-file.ts'
import {
  BY_PORT,
  defaultDataDir,
  isLoopback,
  OPTIONS,
  type OptionName,
  type OptionSpec,
} from './config-options.ts'
import { RollcallError, shown } from './errors.ts'
import type { NodeGrouping } from './xds/node-grouping.ts'

export interface Config {
  readonly grpcPort: number
  readonly httpPort: number
  readonly host: string
  /** True when `host` can be reached from this machine only. */
  readonly loopbackOnly: boolean
  /** Undefined: memory only. */
  readonly dataDir: string | undefined
  /** The directory of documents; undefined: none. */
  readonly resources: string | undefined
  /** The policy file; undefined: nothing is made of services but endpoints. */
  readonly policy: string | undefined
  readonly leaseTtlMs: number
  readonly logLevel: string
  /** What of a client decides which group of nodes it is in. */
  readonly nodeGroup: NodeGrouping
  readonly insecureNoAuth: boolean
  /** Ranges that may be registered; undefined: the address policy's default. */
  readonly allowAddresses: readonly string[] | undefined
  readonly adminPorts: readonly number[] | undefined
}

/** A value as given, and where: messages name the place that has to be changed. */
interface Given {
  readonly text: string
  readonly place: string
}

/** Throws ROLLCALL_OPTION_INVALID that names the flag, the variable or the file's key, and the value. */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const flags = readFlags(argv)
  const file = readConfigFile(flags.get('config') ?? fromEnvironment('config', env))
  const value = (name: OptionName): unknown => {
    const given = flags.get(name) ?? fromEnvironment(name, env) ?? file.get(name)
    return given ? parsed(OPTIONS[name], given) : OPTIONS[name].fallback
  }
  const host = value('host') as string
  const httpPort = value('http-port') as number
  const dataDir = value('data-dir')
  const config: Config = {
    grpcPort: value('grpc-port') as number,
    httpPort,
    host,
    loopbackOnly: isLoopback(host),
    dataDir: dataDir === BY_PORT ? defaultDataDir(httpPort, env) : (dataDir as string | undefined),
    resources: value('resources') as string | undefined,
    policy: value('policy') as string | undefined,
    leaseTtlMs: value('lease-ttl') as number,
    logLevel: value('log-level') as string,
    nodeGroup: value('node-group') as NodeGrouping,
    insecureNoAuth: value('insecure-no-auth') as boolean,
    allowAddresses: value('allow-addresses') as readonly string[] | undefined,
    adminPorts: value('admin-ports') as readonly number[] | undefined,
  }
  assertConsistent(config)
  return Object.freeze(config)
}

/** True when the flags ask for {@link HELP} and for nothing else to happen. */
export function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h')
}

export const HELP: string = helpText()

function readFlags(argv: readonly string[]): Map<OptionName, Given> {
  const options = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, { isSwitch }]) => [
      name,
      { type: isSwitch ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true })
  const flags = new Map<OptionName, Given>()
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional')
      throw refusal(`argument ${shown(token.value)}`, undefined, 'is not an option; see --help')
    if (!isOptionName(token.name)) throw refusal(token.rawName, token.value, 'is not an option; see --help')
    flags.set(token.name, { text: flagText(token.name, token.rawName, token.value), place: token.rawName })
  }
  return flags
}

function flagText(name: OptionName, rawName: string, value: string | undefined): string {
  const { isSwitch } = OPTIONS[name]
  if (isSwitch && value === undefined) return 'true'
  if (!isSwitch && (value === undefined || value.startsWith('--')))
    throw refusal(rawName, value, 'has no value')
  return value ?? ''
}

function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}

/** An empty variable counts as none: compose files pass those on. */
function fromEnvironment(
  name: OptionName,
  env: Readonly<Record<string, string | undefined>>,
): Given | undefined {
  const place = environmentName(name)
  const text = env[place]
  return text === undefined || text === '' ? undefined : { text, place }
}

export function environmentName(name: OptionName): string {
  return `ROLLCALL_${name.toUpperCase().replaceAll('-', '_')}`
}

function parsed({ parse, allowed }: OptionSpec, { text, place }: Given): unknown {
  const value = parse(text)
  if (value !== undefined) return value.is
  throw refusal(place, text, `is not ${allowed}`)
}

function assertConsistent({ host, loopbackOnly, insecureNoAuth, grpcPort, httpPort }: Config): void {
  if (!loopbackOnly && !insecureNoAuth) {
    const reason = 'would let every machine that reaches it change the registry, without any authentication'
    throw refusal('--host', host, `${reason}; give --insecure-no-auth as well if the network is trusted`)
  }
  if (grpcPort === httpPort && grpcPort !== 0)
    throw refusal('--http-port', httpPort, 'is the --grpc-port too')
}

function refusal(place: string, value: unknown, reason: string): RollcallError {
  const message = value === undefined ? `${place} ${reason}` : `${place}: ${shown(value)} ${reason}`
  return new RollcallError('ROLLCALL_OPTION_INVALID', message, { field: place, value })
}

function helpText(): string {
  const lines = Object.entries(OPTIONS).map(([name, { argument, help }]) => {
    const flag = argument === undefined ? `--${name}` : `--${name} ${argument}`
    return `  ${flag.padEnd(28)} ${help}`
  })
  return [
    'Usage: rollcall-eds-server [options]',
    '',
    ...lines,
    `  ${'--help'.padEnd(28)} Print this and exit`,
    '',
    'Each option is also an environment variable (ROLLCALL_GRPC_PORT) and a key of the file that --config names.',
    'A flag wins over the environment, the environment over the file.',
    '',
  ].join('\n')
}
