/** The command line and environment of the sample upstream. A flag wins over its environment variable. */
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'

export interface UpstreamOptions {
  port: number
  host: string
  service: string
  /** Undefined: the SDK's ROLLCALL_REGISTRY, else its default. `none`: somebody else registers this process. */
  registry: string[] | 'none' | undefined
  /** The address to register; undefined: ROLLCALL_ADDRESS, else as the registry sees us. */
  address: string | undefined
  weight: number | undefined
  zone: string | undefined
  metadata: Record<string, string>
}

export const USAGE: string =
  'usage: upstream-server [-p PORT] [--host 127.0.0.1] [--service myservice] ' +
  '[--registry http://127.0.0.1:5000|none] [--weight N] [--zone ZONE] [--metadata KEY=VALUE]...'

/** A wrong flag or variable: one line, which says what is allowed. */
export class UsageError extends Error {}

/** Undefined when help is asked for. Throws UsageError; what the SDK checks is left to the SDK. */
export function parseOptions(args: string[], env: NodeJS.ProcessEnv): UpstreamOptions | undefined {
  const values = parseFlags(args)
  if (values.help) return undefined
  const fromEnv = env.EDS_SERVER_PORT || undefined
  const host = values.host ?? '127.0.0.1'
  return {
    port:
      wholeNumber(values.port === undefined ? 'EDS_SERVER_PORT' : '--port', values.port ?? fromEnv, 65_535) ??
      8081,
    host,
    service: values.service ?? 'myservice',
    registry: registryIn(values.registry, env),
    address: env.ROLLCALL_ADDRESS ? undefined : specific(host),
    weight: wholeNumber('--weight', values.weight, 65_535),
    zone: values.zone,
    metadata: Object.fromEntries((values.metadata ?? []).map(keyAndValue)),
  }
}

interface Flags {
  port?: string
  host?: string
  service?: string
  registry?: string
  weight?: string
  zone?: string
  metadata?: string[]
  help?: boolean
}

function parseFlags(args: string[]): Flags {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args,
      options: {
        port: { ...text, short: 'p' },
        host: text,
        service: text,
        registry: text,
        weight: text,
        zone: text,
        metadata: { ...text, multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    const [line] = String((error as Error).message).split('. ', 1)
    throw new UsageError(`${line}; ${USAGE}`)
  }
}

function registryIn(given: string | undefined, env: NodeJS.ProcessEnv): UpstreamOptions['registry'] {
  if ((given ?? env.ROLLCALL_REGISTRY) === 'none') return 'none'
  return given?.split(',').map(url => url.trim())
}

function wholeNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  // Port 0 asks for any free port.
  if (value <= most) return value
  throw new UsageError(`${name}: ${JSON.stringify(text)} is not a whole number of at most ${most}`)
}

function keyAndValue(pair: string): [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  throw new UsageError(`--metadata: ${JSON.stringify(pair)} is not KEY=VALUE`)
}

/** Listening on one address only, that is the one to register; a wildcard or a name says nothing. */
function specific(host: string): string | undefined {
  return isIP(host) !== 0 && !/^[0:.]+$/.test(host) ? host : undefined
}
