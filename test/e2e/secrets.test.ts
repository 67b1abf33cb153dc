/** Certificates that a real Envoy gets from the control plane: served, replaced on disk under load, said nowhere. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { until } from '../../scripts/processes/until.ts'
import { CONTROL_PLANE_BOOTSTRAPS } from '../world/bootstrap.ts'
import { certificateFor, markersIn, mountSecret } from '../world/certificates.ts'
import { listenerDocument } from '../world/listener-document.ts'
import { inWorld } from '../world/world.ts'

const HOST = 'web.test'
const first = certificateFor(HOST)
const second = certificateFor(HOST)
const trusted = [first.certificate, second.certificate]
const LANES = 4

/** The fingerprint of the certificate that a new connection is shown; rejects unless the answer is 200. */
function handshake(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername: HOST, ca: trusted, agent: false, timeout: 5000 }
    const sent = request({ ...options, headers: { host: HOST } }, answer => {
      const { fingerprint256 } = (answer.socket as TLSSocket).getPeerCertificate()
      answer.resume()
      answer.once('error', reject)
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(fingerprint256)
        else reject(new Error(`answered ${answer.statusCode}`))
      })
    })
    sent.once('timeout', () => sent.destroy(new Error('no answer in 5 s')))
    sent.once('error', reject)
    sent.end()
  })
}

/** New connections, one after the other in each lane, until it is stopped. */
class Handshakes {
  readonly seen: string[] = []
  readonly failed: unknown[] = []
  readonly #lanes: Promise<void>[]
  #isStopped = false

  constructor(port: number) {
    this.#lanes = Array.from({ length: LANES }, () => this.#lane(port))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
  }

  async #lane(port: number): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.seen.push(await handshake(port))
      } catch (error) {
        this.failed.push(error)
      }
    }
  }
}

describe('certificates from the control plane', () => {
  for (const bootstrap of CONTROL_PLANE_BOOTSTRAPS) {
    test(
      `${bootstrap}: a certificate that is replaced on disk is used by new handshakes, and no request fails`,
      inWorld(async (world, t) => {
        const resources = join(world.folder, 'resources')
        const folder = join(resources, 'secrets', 'web')
        mkdirSync(resources)
        mountSecret(folder, { 'tls.crt': first.certificate, 'tls.key': first.key })
        const source = { ads: {}, resource_api_version: 'V3' }
        const tls = {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
          common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'web', sds_config: source }] },
        }
        const chain = { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls } }
        const hello = { direct_response: { status: 200, body: { inline_string: 'hello' } } }
        const listener = listenerDocument('front', 0, hello, chain)
        writeFileSync(join(resources, 'listener.json'), JSON.stringify(listener))
        const registry = await world.startRegistry({
          args: ['--resources', resources, '--log-level', 'debug'],
        })
        const envoy = await world.startDynamicEnvoy({ registry, bootstrap })
        const port = await until('the listener is there', () => envoy.admin.listenerPort('front'))
        const before = await until('it answers', () => handshake(port))

        const load = new Handshakes(port)
        await until('there is load', () => load.seen.length > 50)
        const replacedAt = performance.now()
        mountSecret(folder, { 'tls.crt': second.certificate, 'tls.key': second.key })
        const after = await until('another certificate is shown', () =>
          load.seen.find(each => each !== before),
        )
        const tookMs = performance.now() - replacedAt
        const from = load.seen.length
        await until('there is more load', () => load.seen.length > from + 50)
        await load.stop()
        assert.deepEqual(load.failed, [])
        assert.ok(load.seen.slice(-LANES).every(each => each === after))
        assert.equal(await envoy.admin.stat('listener_manager.listener_added'), 1)
        assert.equal(await envoy.admin.stat('listener_manager.listener_modified'), 0)
        t.diagnostic(
          `${load.seen.length} handshakes, 0 failed; the new certificate ${tookMs.toFixed(0)} ms after the swap`,
        )
        const logs = readdirSync(world.folder).filter(name => name.endsWith('.log'))
        const texts = logs.map(name => readFileSync(join(world.folder, name), 'utf8'))
        for (const path of ['/v1/nodes', '/v1/nodes/test-id/config', '/metrics', '/v1/resources?view=full']) {
          texts.push(await (await fetch(registry.url + path)).text())
        }
        assert.ok(texts.some(text => text.includes('"web"')))
        for (const marker of [first, second].flatMap(markersIn)) {
          assert.ok(!texts.some(text => text.includes(marker)))
        }
      }),
    )
  }
})
