import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { asksForHelp, environmentName, HELP, parseConfig } from '../../eds-server/src/config.ts'
import { OPTIONS, type OptionName } from '../../eds-server/src/config-options.ts'
import { RollcallError } from '../../eds-server/src/errors.ts'
import { documentedRows, documentText } from '../world/markdown.ts'

const directory = mkdtempSync(join(tmpdir(), 'rollcall-config-'))
after(() => rmSync(directory, { recursive: true }))

function fileWith(text: string): string {
  const path = join(directory, `${Math.random()}.yaml`)
  writeFileSync(path, text)
  return path
}

/** Asserts a refusal whose one-line message has every part. */
function refused(run: () => unknown, ...parts: string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof RollcallError)
    assert.equal(error.code, 'ROLLCALL_OPTION_INVALID')
    assert.doesNotMatch(error.message, /\n/)
    for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`)
    return true
  })
}

test('the defaults', () => {
  assert.deepEqual(parseConfig([], {}), {
    grpcPort: 8080,
    httpPort: 5000,
    host: '127.0.0.1',
    loopbackOnly: true,
    dataDir: join(homedir(), '.local/state/rollcall/5000'),
    resources: undefined,
    policy: undefined,
    leaseTtlMs: 15_000,
    logLevel: 'info',
    nodeGroup: 'cluster',
    insecureNoAuth: false,
    allowAddresses: undefined,
    adminPorts: undefined,
  })
})

test('the config is frozen', () => {
  assert.ok(Object.isFrozen(parseConfig([], {})))
  assert.ok(Object.isFrozen(parseConfig(['--admin-ports', '1'], {}).adminPorts))
})

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const config = fileWith('grpc-port: 1\nhttp-port: 2\nlease-ttl: 3s\nlog-level: debug\n')
  const parsed = parseConfig(['--grpc-port', '11', '--config', config], {
    ROLLCALL_GRPC_PORT: '21',
    ROLLCALL_HTTP_PORT: '22',
    ROLLCALL_LOG_LEVEL: '',
  })
  assert.equal(parsed.grpcPort, 11)
  assert.equal(parsed.httpPort, 22)
  assert.equal(parsed.leaseTtlMs, 3_000)
  assert.equal(parsed.logLevel, 'debug', 'an empty variable counts as none')
})

test('the file may be named by the environment; lists and switches may be written as YAML does', () => {
  const config = fileWith(
    'host: 10.0.0.5\ninsecure-no-auth: true\nadmin-ports: [9901, 15000]\nallow-addresses: [10.0.0.0/8, "fd00::/8"]\n',
  )
  const parsed = parseConfig([], { ROLLCALL_CONFIG: config })
  assert.deepEqual(parsed.adminPorts, [9901, 15000])
  assert.deepEqual(parsed.allowAddresses, ['10.0.0.0/8', 'fd00::/8'])
  assert.equal(parsed.loopbackOnly, false)
})

test('an empty file is a file without options', () => {
  assert.equal(parseConfig(['--config', fileWith('')], {}).grpcPort, 8080)
})

test('a switch may be given a value', () => {
  assert.equal(parseConfig(['--insecure-no-auth=false'], {}).insecureNoAuth, false)
  assert.equal(parseConfig(['--insecure-no-auth'], {}).insecureNoAuth, true)
})

const WRONG: Record<Exclude<OptionName, 'config'>, string[]> = {
  'grpc-port': ['-1', '65536', '1.5', 'x', '0x50', ' 1'],
  'http-port': ['99999999', 'http'],
  host: ['example.com', '[::1]', 'fe80::1%eth0', '127.0.0.1:80', '1.2.3'],
  'data-dir': ['a\0b'],
  resources: ['a\0b'],
  policy: ['a\0b'],
  'lease-ttl': ['15', '99ms', '61m', '1h', '-1s', '1.5s'],
  'log-level': ['verbose', 'INFO'],
  'node-group': ['Cluster', 'metadata', 'metadata:'],
  'insecure-no-auth': ['yes', '1'],
  'allow-addresses': ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8,x', '::/129', '10.0.0.0/8/8', ','],
  'admin-ports': ['0', '65536', '1,', 'admin'],
}

for (const [name, values] of Object.entries(WRONG)) {
  test(`a wrong --${name} is refused by flag, variable and key, each named with its value`, () => {
    const variable = environmentName(name as OptionName)
    for (const value of values) {
      refused(() => parseConfig([`--${name}=${value}`], {}), `--${name}`, JSON.stringify(value))
      refused(() => parseConfig([], { [variable]: value }), variable, JSON.stringify(value))
      const file = fileWith(`${name}: ${JSON.stringify(value)}\n`)
      refused(() => parseConfig(['--config', file], {}), `${name} in ${file}`, JSON.stringify(value))
    }
  })
}

test('registrations are kept below the state directory, for each port its own; on any free port in memory', () => {
  const dataDir = (argv: string[], env = {}): string | undefined => parseConfig(argv, env).dataDir
  assert.equal(dataDir(['--http-port', '5001'], { HOME: '/h' }), '/h/.local/state/rollcall/5001')
  assert.equal(dataDir([], { XDG_STATE_HOME: '/state' }), '/state/rollcall/5000')
  assert.equal(dataDir([], { XDG_STATE_HOME: 'state', HOME: '/h' }), '/h/.local/state/rollcall/5000')
  assert.equal(dataDir(['--http-port', '0']), undefined)
  assert.equal(dataDir(['--data-dir', 'none']), undefined)
  assert.equal(dataDir(['--data-dir', './data', '--http-port', '0']), './data')
})

test('a non-loopback host needs --insecure-no-auth', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.5', '2001:db8::1']) {
    refused(() => parseConfig(['--host', host], {}), '--host', host, '--insecure-no-auth')
    const parsed = parseConfig(['--host', host, '--insecure-no-auth'], {})
    assert.equal(parsed.loopbackOnly, false)
  }
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) {
    assert.equal(parseConfig(['--host', host], {}).loopbackOnly, true, host)
  }
})

test('both ports cannot be the same, unless both are any free one', () => {
  refused(() => parseConfig(['--grpc-port', '7', '--http-port', '7'], {}), '--http-port', '7', '--grpc-port')
  assert.equal(parseConfig(['--grpc-port', '0', '--http-port', '0'], {}).httpPort, 0)
})

test('what is not an option is refused', () => {
  refused(() => parseConfig(['--grcp-port', '1'], {}), '--grcp-port')
  refused(() => parseConfig(['-p', '1'], {}), '-p')
  refused(() => parseConfig(['serve'], {}), 'serve')
  refused(() => parseConfig(['--constructor', '1'], {}), '--constructor')
})

test('a flag without its value is refused', () => {
  refused(() => parseConfig(['--grpc-port'], {}), '--grpc-port has no value')
  refused(() => parseConfig(['--grpc-port', '--http-port', '1'], {}), '--grpc-port')
})

test('a wrong file is refused by name, and by key where one is to blame', () => {
  refused(
    () => parseConfig(['--config', join(directory, 'absent')], {}),
    '--config',
    'absent',
    'cannot be read',
  )
  const wrong: [string, string][] = [
    ['a: [', 'is not YAML'],
    ['grpc-port: 1\ngrpc-port: 2', 'is not YAML'],
    ['- a', 'is not a map'],
    ['text', 'is not a map'],
    ['grpcPort: 1', 'grpcPort in'],
    ['config: other.yaml', 'config in'],
    ['__proto__: {a: 1}', '__proto__ in'],
    ['host: {a: 1}', 'host in'],
    ['host: null', 'host in'],
    ['a: &a [1]\nhost: *a', 'is not'],
  ]
  for (const [text, part] of wrong) {
    const file = fileWith(text)
    refused(() => parseConfig([`--config=${file}`], {}), file, part)
  }
  assert.equal(({} as { a?: unknown }).a, undefined)
})

test('no arguments make anything but a config or a refusal', () => {
  const words = fc.constantFrom(...Object.keys(OPTIONS).map(name => `--${name}`), '--', '-x', '--a=b')
  fc.assert(
    fc.property(fc.array(fc.oneof(words, fc.string())), argv => {
      try {
        assert.ok(Object.isFrozen(parseConfig(argv, {})))
      } catch (error) {
        assert.ok(error instanceof RollcallError, String(error))
      }
    }),
  )
})

test('--help names every option', () => {
  assert.equal(asksForHelp(['--grpc-port', '1', '--help']), true)
  assert.equal(asksForHelp(['--grpc-port', '1']), false)
  for (const name of Object.keys(OPTIONS)) assert.ok(HELP.includes(`--${name} `), name)
  for (const line of HELP.split('\n')) assert.ok(line.length <= 120, line)
})

test('docs/configuration.md has every option with its variable, default and meaning, and no other', () => {
  const known = Object.entries(OPTIONS).map(([name, { argument, help, isSwitch }]) => {
    const [meaning, fallback = isSwitch ? 'false' : ''] = help.split('. Default ')
    const flag = argument === undefined ? `--${name}` : `--${name} ${argument}`
    return [flag, environmentName(name as OptionName), fallback, meaning]
  })
  assert.deepEqual(documentedRows('configuration.md'), known)
})

test('the file in docs/configuration.md is accepted', () => {
  const [, yaml = ''] = /```yaml\n([^`]+)```/.exec(documentText('configuration.md')) ?? []
  assert.equal(parseConfig(['--config', fileWith(yaml)], {}).leaseTtlMs, 15_000)
})
