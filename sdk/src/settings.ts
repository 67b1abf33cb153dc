/**
 * What callers may say, checked once and then frozen. Each rule refuses with the field, the value and what is
 * allowed; a name that is no option is refused too, since a misspelt one would be silently without effect.
 */
import { randomUUID } from 'node:crypto'
import { Server } from 'node:net'
import { ownAddress } from './address.ts'
import { OptionError } from './errors.ts'
import type { Check } from './health.ts'
import { type Logger, safeLogger } from './logger.ts'
import type { AttachOptions, CommonOptions, RegisterOptions } from './options.ts'

export interface Settings {
  readonly registries: readonly string[]
  readonly service: string
  readonly instanceId: string
  readonly hasFixedId: boolean
  readonly port: number | undefined
  /** Of the record that is registered: everything that does not change. */
  readonly record: Readonly<Record<string, unknown>>
  readonly ttlMs: number | undefined
  readonly checks: Readonly<Record<string, Check>>
  readonly checkTimeoutMs: number
  readonly ackTimeoutMs: number
  readonly drainDelayMs: number
  readonly deadlineMs: number
  readonly onClose: (() => unknown) | undefined
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
}

type Rule = readonly [test: (value: never) => boolean, allowed: string]

const integer = (least: number, most: number): Rule => [
  (value: unknown) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  `a whole number from ${least} to ${most}`,
]
const text = (pattern: RegExp, allowed: string): Rule => [
  (value: unknown) => typeof value === 'string' && pattern.test(value),
  allowed,
]
const typed = (type: string): Rule => [(value: unknown) => typeof value === type, `a ${type}`]
const place: Rule = text(/^[\x20-\x7e]{0,128}$/, 'at most 128 printable ASCII characters')
const path: Rule = [
  (value: unknown) => value === false || (typeof value === 'string' && /^\/[\x21-\x7e]*$/.test(value)),
  'a path that starts with "/", or false',
]
const duration: Rule = integer(0, 3_600_000)

const RULES: Record<keyof (RegisterOptions & AttachOptions), Rule> = {
  service: text(/^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/i, '1 to 253 letters, digits, ".", "_" or "-"'),
  registry: [(value: unknown) => [value].flat().every(isHttpUrl), 'an http or https url, or a list of them'],
  instanceId: text(/^[\w.:~@-]{1,128}$/, '1 to 128 letters, digits or "._:~@-"'),
  address: typed('string'),
  port: integer(1, 65_535),
  server: [(value: unknown) => value instanceof Server, 'a server of node:http or node:https'],
  weight: integer(1, 65_535),
  region: place,
  zone: place,
  subZone: place,
  priority: integer(0, 127),
  canary: typed('boolean'),
  metadata: [isMetadata, 'an object of at most 32 texts, finite numbers or booleans'],
  ttlMs: integer(100, 86_400_000),
  checks: [
    (value: object) => isRecord(value) && Object.values(value).every(each => typeof each === 'function'),
    'an object of functions',
  ],
  checkTimeoutMs: integer(1, 3_600_000),
  ackTimeoutMs: integer(0, 60_000),
  drainDelayMs: duration,
  deadlineMs: duration,
  onClose: typed('function'),
  logger: [
    (value: object) =>
      ['info', 'warn', 'error'].every(level => typeof Reflect.get(Object(value), level) === 'function'),
    'an object with info, warn and error',
  ],
  signal: [(value: unknown) => value instanceof AbortSignal, 'an AbortSignal'],
  healthzPath: path,
  livezPath: path,
  drainOn: [
    (value: unknown) => Array.isArray(value) && value.every(each => /^SIG[A-Z0-9]+$/.test(String(each))),
    'a list of signal names',
  ],
  keepAliveTimeoutMs: integer(1, 86_400_000),
}

/** Checks and completes the options. Throws OptionError for the first that is wrong. */
export function parseOptions(
  options: RegisterOptions & AttachOptions,
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  if (!isRecord(options)) throw new OptionError('options', options, 'an object')
  for (const [field, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, field)) throw new OptionError(field, value, 'an option: no such name')
    const [test, allowed] = RULES[field as keyof typeof RULES]
    if (value !== undefined && !test(value as never)) throw new OptionError(field, value, allowed)
  }
  if (options.service === undefined) throw new OptionError('service', undefined, RULES.service[1])
  const { region = '', zone = '', subZone = '' } = options
  const record = {
    ...defined({ address: ownAddress(options.address, env), ttlMs: options.ttlMs }),
    ...defined({ weight: options.weight, priority: options.priority, canary: options.canary }),
    ...(region || zone || subZone ? { locality: { region, zone, subZone } } : {}),
    ...(options.metadata ? { metadata: { ...options.metadata } } : {}),
  }
  return Object.freeze({
    registries: registriesOf(options, env),
    service: options.service.toLowerCase(),
    instanceId: options.instanceId ?? randomUUID(),
    hasFixedId: options.instanceId !== undefined,
    port: options.port,
    record: Object.freeze(record),
    ttlMs: options.ttlMs,
    checks: Object.freeze({ ...options.checks }),
    checkTimeoutMs: options.checkTimeoutMs ?? 1000,
    ackTimeoutMs: options.ackTimeoutMs ?? 5000,
    drainDelayMs: options.drainDelayMs ?? 5000,
    deadlineMs: options.deadlineMs ?? 30_000,
    onClose: options.onClose,
    logger: safeLogger(options.logger),
    signal: options.signal,
  })
}

function registriesOf({ registry }: CommonOptions, env: NodeJS.ProcessEnv): readonly string[] {
  const fromEnv = (env.ROLLCALL_REGISTRY || 'http://127.0.0.1:5000').split(',').map(each => each.trim())
  const urls = registry === undefined ? fromEnv : [registry].flat()
  const wrong = urls.find(each => !isHttpUrl(each))
  if (wrong !== undefined || urls.length === 0) {
    const field = registry === undefined ? 'ROLLCALL_REGISTRY' : 'registry'
    throw new OptionError(field, wrong ?? urls, RULES.registry[1])
  }
  return Object.freeze(urls.map(each => each.replace(/\/+$/, '')))
}

function isHttpUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMetadata(value: unknown): boolean {
  return (
    isRecord(value) &&
    Object.keys(value).length <= 32 &&
    Object.values(value).every(each => ['string', 'boolean'].includes(typeof each) || Number.isFinite(each))
  )
}

function defined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
