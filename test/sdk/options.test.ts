/** One clear error per wrong option, naming the field and the value; errors recognised across copies. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { attach, OptionError, RegistryError, RollcallError, register } from '@rollcall/sdk'
import { ROOT } from '../../scripts/processes/programs.ts'
import { atEnd, memoryLogger, serve, testRegistry } from './support.ts'

const WRONG: [field: string, value: unknown][] = [
  ['service', 'my service'],
  ['service', ''],
  ['service', 7],
  ['registry', 'ftp://eds'],
  ['registry', 'eds:5000'],
  ['registry', ['http://a', 'nonsense']],
  ['registry', []],
  ['instanceId', 'a/b'],
  ['address', 'localhost'],
  ['address', 'fe80::1%eth0'],
  ['address', '0.0.0.0'],
  ['address', '::'],
  ['port', 0],
  ['port', 65_536],
  ['port', '8081'],
  ['server', {}],
  ['weight', 0],
  ['weight', 1.5],
  ['zone', 'a\nb'],
  ['priority', 128],
  ['canary', 'yes'],
  ['metadata', { nested: {} }],
  ['metadata', { n: Number.NaN }],
  ['metadata', null],
  ['ttlMs', 10],
  ['checks', { db: true }],
  ['checks', null],
  ['checkTimeoutMs', 0],
  ['ackTimeoutMs', 60_001],
  ['drainDelayMs', -1],
  ['deadlineMs', Number.POSITIVE_INFINITY],
  ['onClose', 'now'],
  ['logger', null],
  ['logger', { info: 'no function' }],
  ['signal', {}],
  ['healthzPath', 'healthz'],
  ['drainOn', ['TERM']],
  ['keepAliveTimeoutMs', 0],
  ['metdata', {}],
]

for (const [field, value] of WRONG) {
  test(`${field}: ${JSON.stringify(value)} is refused at once, by name and value`, async () => {
    const options = { service: 'myservice', port: 8081, [field]: value }
    await assert.rejects(register(options as never), (error: unknown) => {
      assert.ok(error instanceof OptionError, String(error))
      assert.equal(error.code, 'ROLLCALL_OPTION_INVALID')
      assert.equal(error.field, field)
      assert.deepEqual(error.value, value)
      assert.equal(error.retryable, false)
      assert.ok(error.message.startsWith(`${field}: `), error.message)
      assert.doesNotMatch(error.message, /\n/)
      return true
    })
  })
}

test('what is missing is named: service, port', async () => {
  await assert.rejects(register({} as never), { field: 'service' })
  await assert.rejects(register({ service: 'myservice' }), { field: 'port' })
  await assert.rejects(register(undefined as never), { field: 'options' })
})

test('attach throws for a wrong option, synchronously', async context => {
  const { server } = await serve(context, (_request, response) => response.end())
  assert.throws(() => attach(server, { service: 'my service' }), { code: 'ROLLCALL_OPTION_INVALID' })
})

test('a wrong environment variable is named as such', async context => {
  for (const [name, value] of [
    ['ROLLCALL_REGISTRY', 'http://ok,nonsense'],
    ['ROLLCALL_ADDRESS', 'my-host'],
  ] as const) {
    process.env[name] = value
    atEnd(context, () => delete process.env[name])
    await assert.rejects(register({ service: 'myservice', port: 1 }), { field: name })
    delete process.env[name]
  }
})

test('the options reach the registry; ROLLCALL_REGISTRY and ROLLCALL_ADDRESS stand in for theirs', async context => {
  const registry = await testRegistry(context)
  process.env.ROLLCALL_REGISTRY = `${registry.url}/, http://127.0.0.1:1`
  process.env.ROLLCALL_ADDRESS = '::ffff:10.1.2.3'
  atEnd(context, () => {
    delete process.env.ROLLCALL_REGISTRY
    delete process.env.ROLLCALL_ADDRESS
  })
  const metadata: Record<string, string | number> = { team: 'a', shard: 3 }
  const registration = await register({
    ...{ service: 'Web', port: 8081, instanceId: 'web-1', weight: 7, priority: 1, canary: true },
    ...{ region: 'eu', zone: 'eu-1', subZone: 'rack-2', ttlMs: 900, metadata },
  })
  metadata.team = 'changed later, which must have no effect'
  registry.expire('web-1')
  await new Promise(resolve => registration.once('reregistered', resolve))
  const [instance] = registry.instances()
  const { service, instanceId, address, port, weight, locality, priority, canary, ttlMs } =
    instance ?? ({} as Record<string, unknown>)
  assert.deepEqual(
    { service, instanceId, address, port, weight, locality, priority, canary, ttlMs },
    {
      ...{ service: 'web', instanceId: 'web-1', address: '10.1.2.3', port: 8081, weight: 7 },
      ...{
        locality: { region: 'eu', zone: 'eu-1', subZone: 'rack-2' },
        priority: 1,
        canary: true,
        ttlMs: 900,
      },
    },
  )
  assert.deepEqual(instance?.metadata, { team: 'a', shard: 3 })
  await registration.close()
})

test('without an address the registry takes the address that we speak from', async context => {
  const registry = await testRegistry(context)
  const registration = await register({ registry: registry.url, service: 'myservice', port: 8081 })
  assert.ok(!('address' in ((registry.requests[0]?.body ?? {}) as object)))
  assert.equal(registry.instances()[0]?.address, '127.0.0.1')
  await registration.close()
})

test('a record that the registry refuses: register rejects with its code, field and value', async context => {
  const registry = await testRegistry(context)
  registry.fail({
    status: 400,
    code: 'ROLLCALL_ADDRESS_REFUSED',
    detail: 'no',
    field: 'address',
    value: '169.254.1.1',
  })
  const logger = memoryLogger()
  await assert.rejects(
    register({ registry: registry.url, service: 'myservice', port: 8081, logger }),
    (error: unknown) => {
      assert.ok(error instanceof RegistryError && error instanceof RollcallError)
      const { status, code, field, value, retryable } = error
      assert.deepEqual(
        { status, code, field, value, retryable },
        {
          ...{ status: 400, code: 'ROLLCALL_ADDRESS_REFUSED', field: 'address', value: '169.254.1.1' },
          retryable: false,
        },
      )
      return true
    },
  )
})

test('an error of one copy of the package is an instance of the class of another', async context => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-copy-'))
  atEnd(context, () => rmSync(folder, { recursive: true }))
  cpSync(join(ROOT, 'sdk', 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'sdk', 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const copy = (await import(join(folder, 'dist/index.js'))) as typeof import('@rollcall/sdk')
  const error = await copy.register({} as never).catch((reason: unknown) => reason)
  assert.notEqual(copy.OptionError, OptionError)
  assert.ok(error instanceof OptionError)
  assert.ok(error instanceof RollcallError)
  assert.ok(!(error instanceof RegistryError))
  class Own extends OptionError {}
  assert.ok(!(error instanceof Own), 'a subclass of the user is not meant by it')
  assert.ok(!(new Error('another') instanceof RollcallError))
})
