/** What the SDK promises, against each registry there is: the one for tests and eds-server. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { register } from '@rollcall/sdk'
import { until } from '../../scripts/processes/until.ts'
import { anyRegistry, atEnd, memoryLogger } from './support.ts'

for (const kind of ['test registry', 'eds-server'] as const) {
  test(`${kind}: register, beat, follow the checks, drain, close, gone`, async context => {
    const registry = await anyRegistry(context, kind)
    let isUp = true
    const registration = await register({
      ...{ registry: registry.url, service: 'myservice', port: 8081, zone: 'a', metadata: { team: 'a' } },
      ...{ ttlMs: 1000, checks: { db: () => isUp }, logger: memoryLogger() },
    })
    atEnd(context, () => registration.close())
    assert.equal(registration.state, 'registered')
    const present = async () => (await registry.instances('myservice'))[0]
    assert.equal((await present())?.status, 'healthy')
    assert.deepEqual((await registration.live()).pending, [])
    isUp = false
    await until('unhealthy', async () => (await present())?.status === 'unhealthy')
    isUp = true
    await until('healthy', async () => (await present())?.status === 'healthy')
    const report = await registration.drain()
    assert.deepEqual([report.drained?.pending, report.deregistered?.pending], [[], []])
    assert.equal(await present(), undefined)
    await registration.close()
    assert.deepEqual((await registration.gone()).pending, [])
  })

  test(`${kind}: an operator who deregisters by address is obeyed`, async context => {
    const registry = await anyRegistry(context, kind)
    const logger = memoryLogger()
    const registration = await register({
      registry: registry.url,
      service: 'myservice',
      port: 8082,
      ttlMs: 1000,
      logger,
    })
    atEnd(context, () => registration.close())
    if (kind === 'eds-server') await fetch(`${registry.url}/edsservice/deregister?endpoint=127.0.0.1:8082`)
    else registry.deregister?.(registration.instanceId)
    await until('deregistered', () => registration.state === 'deregistered')
    assert.deepEqual((await registration.drain()).deregistered?.pending, [])
  })

  test(`${kind}: a record it does not take is refused by name`, async context => {
    const registry = await anyRegistry(context, kind)
    const options = { registry: registry.url, service: 'myservice', port: 8083, logger: memoryLogger() }
    const metadata = { [kind === 'eds-server' ? '__proto__x y' : 'refuse']: 'x' }
    if (kind === 'test registry') registry.refuse?.('metadata')
    await assert.rejects(register({ ...options, metadata }), (error: { status?: number; field?: string }) => {
      assert.equal(error.status, 400)
      assert.match(error.field ?? '', /^metadata/)
      return true
    })
  })
}

test('eds-server: a second instance at the same address supersedes the first, which comes back under a new id', async context => {
  const registry = await anyRegistry(context, 'eds-server')
  const options = {
    registry: registry.url,
    service: 'myservice',
    port: 8084,
    ttlMs: 1000,
    logger: memoryLogger(),
  }
  const first = await register(options)
  const { instanceId } = first
  const second = await register(options)
  await second.close()
  await until('back', () => first.state === 'registered' && first.instanceId !== instanceId)
  await first.close()
})
