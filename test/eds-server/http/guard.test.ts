import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from './api.ts'
import { conversation } from './raw.ts'

/** The status that a GET with these headers gets. */
async function get(port: number, path: string, ...headers: string[]): Promise<string> {
  const lines = [...headers, 'connection: close'].map(line => `${line}\r\n`).join('')
  return conversation(port, `GET ${path} HTTP/1.1\r\n${lines}\r\n`)
}

test('a loopback-bound API answers loopback host names with any port, and no other (DNS rebinding)', async () => {
  await using api = await startApi()
  for (const host of ['localhost', 'LOCALHOST:5000', '127.0.0.1', '127.0.0.1:1', '[::1]', '[::1]:65535']) {
    assert.match(await get(api.port, '/v1/services', `host: ${host}`), /^HTTP\/1\.1 200 /, host)
  }
  const foreign = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost:80:80',
    '127.0.0.2',
  ]
  for (const host of [...foreign, '::1', 'x@localhost', 'localhost/', '']) {
    const answer = await get(api.port, '/v1/services', `host: ${host}`)
    assert.match(answer, /^HTTP\/1\.1 403 /, host)
    assert.match(answer, /ROLLCALL_ORIGIN_REFUSED/)
  }
})

test('a foreign host changes nothing', async () => {
  await using api = await startApi()
  const answer = await get(api.port, '/edsservice/register?endpoint=127.0.0.1:8081', 'host: evil.example')
  assert.match(answer, /^HTTP\/1\.1 403 /)
  assert.deepEqual([...api.registry.services()], [])
})

test('probes answer under any host name', async () => {
  await using api = await startApi()
  for (const path of ['/healthz', '/readyz']) {
    assert.match(await get(api.port, path, 'host: probe.example'), /^HTTP\/1\.1 200 /)
  }
  assert.match(await get(api.port, '/metrics', 'host: probe.example'), /^HTTP\/1\.1 403 /)
})

test('a registry that serves other machines is called by any name', async () => {
  await using api = await startApi({ loopbackOnly: false })
  assert.match(await get(api.port, '/v1/services', 'host: eds.internal'), /^HTTP\/1\.1 200 /)
})

test('a page of another site cannot make a browser register anything', async () => {
  await using api = await startApi()
  const path = '/edsservice/register?endpoint=127.0.0.1:8081'
  for (const site of ['cross-site', 'same-site']) {
    assert.match(await get(api.port, path, 'host: localhost', `sec-fetch-site: ${site}`), /^HTTP\/1\.1 403 /)
  }
  assert.deepEqual([...api.registry.services()], [])
  for (const site of ['none', 'same-origin']) {
    assert.match(await get(api.port, path, 'host: localhost', `sec-fetch-site: ${site}`), /^HTTP\/1\.1 200 /)
  }
})

test('those who poll call by any name, and browsers only by that of this machine', async () => {
  await using api = await startApi()
  const path = '/v1/registration/myservice'
  assert.match(await get(api.port, path, 'host: eds_cluster'), /^HTTP\/1\.1 200 /)
  for (const site of ['same-origin', 'none', 'cross-site']) {
    const answer = await get(api.port, path, 'host: evil.example', `sec-fetch-site: ${site}`)
    assert.match(answer, /^HTTP\/1\.1 403 /, site)
  }
  assert.match(
    await get(api.port, path, 'host: localhost', 'sec-fetch-site: same-origin'),
    /^HTTP\/1\.1 200 /,
  )
  const form =
    'content-type: application/x-www-form-urlencoded\r\ncontent-length: 22\r\n\r\nip=127.0.0.1&port=8081'
  for (const foreign of ['host: eds_cluster', 'host: localhost\r\nsec-fetch-site: cross-site']) {
    const head = `POST ${path} HTTP/1.1\r\nconnection: close\r\n${foreign}\r\n`
    assert.match(await conversation(api.port, head + form), /^HTTP\/1\.1 403 /)
  }
  assert.deepEqual([...api.registry.services()], [])
})

test('every answer has the security headers, and none allows another origin', async () => {
  await using api = await startApi()
  const calls: [string, string][] = [
    ['GET', '/v1/services'],
    ['GET', '/healthz'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/nope'],
    ['POST', '/v1/services'],
    ['PUT', '/v1/services/%zz/instances/a'],
    ['PUT', '/v1/services/a/instances/b/heartbeat'],
    ['DELETE', '/v1/services/a/instances/b'],
  ]
  for (const [method, path] of calls) {
    const { headers } = await api.call(method, path, { headers: { origin: 'https://evil.example' } })
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path)
    assert.equal(headers.get('cache-control'), 'no-store', path)
    assert.equal(headers.get('referrer-policy'), 'no-referrer', path)
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/, path)
    assert.equal(headers.get('access-control-allow-origin'), null, path)
  }
})

test('an unknown route is 404, an unknown method 405 with those that there are', async () => {
  await using api = await startApi()
  const { status, body } = await api.call('GET', '/v1/servicesx?a=b')
  assert.deepEqual([status, body.code, body.value], [404, 'ROLLCALL_ROUTE_UNKNOWN', '/v1/servicesx'])
  const wrong: [string, string, string][] = [
    ['POST', '/v1/services', 'GET'],
    ['OPTIONS', '/v1/services', 'GET'],
    ['POST', '/v1/services/a/instances/b', 'PUT, PATCH, DELETE, GET'],
    ['GET', '/v1/services/a/instances/b/heartbeat', 'PUT'],
    ['DELETE', '/healthz', 'GET, HEAD'],
  ]
  for (const [method, path, allow] of wrong) {
    const answer = await api.call(
      method,
      path,
      method === 'POST' ? { text: 'x', headers: { 'content-type': 'text/css' } } : {},
    )
    assert.deepEqual([answer.status, answer.body.code], [405, 'ROLLCALL_METHOD_NOT_ALLOWED'], path)
    assert.deepEqual(answer.headers.get('allow'), allow)
  }
})
