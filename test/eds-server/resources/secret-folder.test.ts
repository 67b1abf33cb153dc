/** Secrets as folders of files, on a whole server: taken whole, replaced whole, shown nowhere. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { SECRET } from '../../../eds-server/src/xds/resource-type.ts'
import { until } from '../../../scripts/processes/until.ts'
import { RawClient, type RawStream } from '../../conformance/raw-client.ts'
import { type Certificate, certificateFor, markersIn, mountSecret } from '../../world/certificates.ts'
import { TestedServer } from '../../world/running-server.ts'
import { ResourcesClient } from './resources-client.ts'

const TYPED = { protocol: 'sotw', aggregated: false } as const
const one = certificateFor('one.test')
const other = certificateFor('other.test')

class Folder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'rollcall-secrets-'))

  write(name: string, files: Readonly<Record<string, string>>): void {
    const folder = join(this.path, 'secrets', name)
    mkdirSync(folder, { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

function pair({ certificate, key }: Certificate): Record<string, string> {
  return { 'tls.crt': certificate, 'tls.key': key }
}

async function names(server: TestedServer): Promise<string[]> {
  const { body } = await server.call('GET', '/v1/resources/secrets')
  return body.resources.map(({ name, group }: { name: string; group: string }) =>
    group ? `${group}/${name}` : name,
  )
}

async function errors(server: TestedServer): Promise<string> {
  const { body } = await server.call('GET', '/v1/resources')
  return body.errors.map(({ message }: { message: string }) => message).join('\n')
}

/** The text of what a client is told next. */
async function told(stream: RawStream): Promise<string> {
  const response = await stream.next()
  stream.ack(response)
  return response.messages.map(message => message.toString('latin1')).join('')
}

const body = (pem: string): string => pem.trim()

describe('secrets in folders', () => {
  test('certificate with key, authorities, and both, also of one group', async () => {
    using folder = new Folder()
    folder.write('web', { ...pair(one), 'ca.crt': other.certificate })
    folder.write('trust', { 'ca.crt': one.certificate })
    mountSecret(join(folder.path, 'secrets', 'mounted'), pair(other))
    mountSecret(join(folder.path, 'groups', 'front', 'secrets', 'web'), pair(other))
    await using server = await TestedServer.start('--resources', folder.path)
    assert.deepEqual(await names(server), ['mounted', 'trust-ca', 'web', 'web-ca', 'front/web'])
    assert.equal(await errors(server), '')
    using client = new RawClient(server.grpcPort)
    const stream = client.stream(TYPED, SECRET, '')
    stream.subscribe(['web', 'web-ca'], { node: { id: 'envoy-1', cluster: 'elsewhere' } })
    const text = await told(stream)
    for (const part of [one.certificate, one.key, other.certificate]) assert.ok(text.includes(body(part)))
  })

  test('a replaced pair is told at once and as a whole; half of one changes nothing', async () => {
    using folder = new Folder()
    const path = join(folder.path, 'secrets', 'web')
    mountSecret(path, pair(one))
    await using server = await TestedServer.start('--resources', folder.path)
    using client = new RawClient(server.grpcPort)
    const stream = client.stream(TYPED, SECRET)
    stream.subscribe(['web'])
    assert.ok((await told(stream)).includes(body(one.key)))

    mountSecret(path, { 'tls.crt': other.certificate, 'tls.key': one.key })
    await until('it is refused', async () =>
      (await errors(server)).includes(
        'secrets/web: tls.key is not the key of the first certificate in tls.crt',
      ),
    )
    assert.equal(stream.pending, 0)
    mountSecret(path, pair(other))
    const next = await told(stream)
    assert.ok(next.includes(body(other.key)) && next.includes(body(other.certificate)))
    await until('it is right again', async () => (await errors(server)) === '')
  })

  test('what is no certificate and no key is named without a word of it', async () => {
    using folder = new Folder()
    const broken = one.key.replace(/\n([\w+/]{20})/, '\n!$1')
    const bad: [string, Record<string, string>, RegExp][] = [
      ['a', { 'tls.crt': one.certificate }, /secrets\/a: has tls\.crt without tls\.key/],
      ['b', { 'tls.key': one.key }, /secrets\/b: has tls\.key without tls\.crt/],
      ['c', { ...pair(one), 'tls.key': broken }, /secrets\/c: tls\.key is no private key in PEM/],
      ['d', { ...pair(one), 'tls.crt': one.key }, /secrets\/d: tls\.crt has no certificates/],
      ['e', { 'ca.crt': `${one.certificate.slice(0, 200)}\n${one.key}` }, /secrets\/e: ca\.crt has no cert/],
      ['f', { readme: 'nothing' }, /secrets\/f: has none of tls\.crt, tls\.key, ca\.crt/],
    ]
    for (const [name, files] of bad) folder.write(name, files)
    folder.write('good', { 'tls.crt': `${one.key}\n${one.certificate}`, 'tls.key': one.key })
    writeFileSync(join(folder.path, 'bad.yaml'), `a: ${one.key}`)
    await using server = await TestedServer.start('--resources', folder.path)
    assert.deepEqual(await names(server), ['good'])
    const said = await errors(server)
    for (const [, , pattern] of bad) assert.match(said, pattern)
    const shown = [
      said,
      server.log.join(''),
      (await server.call('GET', '/readyz')).text,
      (await server.call('GET', '/v1/resources?view=full')).text,
    ]
    for (const text of shown) for (const marker of markersIn(one)) assert.ok(!text.includes(marker), text)
  })

  test('F66: a key is nowhere but in its file and with its clients', async () => {
    using folder = new Folder()
    folder.write('web', pair(one))
    await using server = await TestedServer.start('--resources', folder.path, '--lease-ttl', '1s')
    using client = new RawClient(server.grpcPort)
    const stream = client.stream(TYPED, SECRET, 'envoy-1')
    stream.subscribe(['web'])
    const first = await stream.next()
    // As Envoy quotes what it refuses.
    stream.nack(first, `Proto constraint validation failed: ${JSON.stringify(one.key)}`)
    await until('it is refused', async () => (await server.call('GET', '/v1/nodes')).text.includes('NACKED'))
    await server.call('PUT', '/v1/resources/secrets/api', {
      '@type': SECRET.typeUrl,
      name: 'api',
      tls_certificate: { certificate_chain: { inline_string: one.key + one.certificate } },
    })
    const wrong = await server.call('PUT', '/v1/resources/secrets/wrong', {
      '@type': SECRET.typeUrl,
      name: 'wrong',
      tls_certificate: { private_key: { inline_string: [one.key] } },
    })
    assert.equal(wrong.status, 400)
    using rpc = await ResourcesClient.connect(server.grpcPort)
    using csds = await ResourcesClient.connect(
      server.grpcPort,
      'envoy.service.status.v3.ClientStatusDiscoveryService',
    )
    const paths = ['/v1/nodes', '/v1/nodes/envoy-1/config', '/v1/resources?view=full', '/metrics', '/readyz']
    paths.push('/v1/resources/secrets/web', '/v1/resources/secrets/api', '/v1/services', '/openapi.json', '/')
    const texts = [wrong.text, server.log.join('')]
    for (const path of paths) texts.push((await server.call('GET', path)).text)
    texts.push((await server.call('POST', '/v3/discovery:client_status', {})).text)
    const answers = [
      await csds.call('FetchClientStatus', {}),
      await rpc.call('Get', { type_url: SECRET.typeUrl, name: 'web' }),
      await rpc.call('List', {}),
    ]
    const seen = texts.join('\n') + JSON.stringify(answers)
    const bytes = Buffer.from(
      JSON.stringify(answers, (_, value) => (value?.data ? String(Buffer.from(value.data)) : value)),
    )
    assert.ok(seen.includes('"web"') && seen.includes('[redacted]'))
    for (const marker of markersIn(one)) assert.ok(!seen.includes(marker) && !bytes.includes(marker), marker)
    // The one way to it, so that the markers are the right ones.
    const poll = await until('it is ready', async () => {
      const answer = await server.call('POST', '/v3/discovery:secrets', { resource_names: ['web'] })
      return answer.status === 200 && answer
    })
    assert.ok(
      markersIn(one).some(marker => poll.text.includes(marker)),
      poll.text,
    )
  })

  test('a certificate that runs out is said in the log, on /readyz and as a metric', async () => {
    using folder = new Folder()
    folder.write('web', pair(one))
    const nearlyOver = Date.now() + 29 * 86_400_000
    const clock = { ...systemClock, wallTime: () => new Date(nearlyOver) }
    await using server = await TestedServer.startWith(clock, '--resources', folder.path, '--lease-ttl', '1s')
    const { body: ready } = await until('it is ready', async () => {
      const answer = await server.call('GET', '/readyz')
      return answer.status === 200 && answer
    })
    assert.match(ready.warnings.join('\n'), /^secrets "web": a certificate runs out at \d{4}-\S+Z$/)
    assert.match(server.log.join(''), /secrets \\"web\\": a certificate runs out at/)
    const { text } = await server.call('GET', '/metrics')
    const at = text.match(/rollcall_secret_expiration_timestamp_seconds\{secret="web",group=""\} (\d+)/)
    assert.ok(Math.abs(Number(at?.[1]) - Date.now() / 1000 - 30 * 86_400) < 3600, at?.[0])
  })
})
