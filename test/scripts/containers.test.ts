/** The images and the compose file, as far as they can be wrong without a container ever being started. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { ENVOY_VERSION } from '../../scripts/envoy-binary.mjs'
import { ROOT } from '../../scripts/processes/programs.ts'

interface Service {
  image: string
  profiles?: string[]
  command?: string[]
  environment?: Record<string, string>
  networks?: { scene: { ipv4_address: string } }
  network_mode?: string
}

const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const compose = parse(text('envoy/compose.yaml'), { merge: true }) as { services: Record<string, Service> }
const services = new Map(Object.entries(compose.services))
const inProfile = (profile?: string): [string, Service][] =>
  [...services].filter(([, { profiles }]) => profiles?.[0] === profile)

/** The instructions of a Dockerfile, continued lines joined. */
function instructions(path: string): [string, string][] {
  const lines = text(path)
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
  return lines
    .filter(line => line !== '')
    .map(line => [line.split(' ')[0] ?? '', line.replace(/^\S+\s+/, '')])
}

describe('the images', () => {
  const node = `node:${text('.node-version').trim()}-slim`
  const envoy = `envoyproxy/envoy:v${ENVOY_VERSION}`

  for (const [path, base] of [
    ['Dockerfile', node],
    ['envoy/image/Dockerfile', envoy],
  ] as const) {
    test(`${path} stands on the version that is tested, fetches nothing by itself and does not run as root`, () => {
      const all = instructions(path)
      const of = (name: string): string[] => all.flatMap(([word, rest]) => (word === name ? [rest] : []))
      assert.deepEqual(new Set(of('FROM').map(from => from.split(' ')[0])), new Set([base]))
      assert.deepEqual(of('ADD'), [])
      const user = all.findLastIndex(([word]) => word === 'USER')
      assert.ok(user > all.findLastIndex(([word]) => word === 'FROM' || word === 'RUN'))
      assert.doesNotMatch(all[user]?.[1] ?? 'root', /^(root|0)\b/)
    })
  }

  test('the Envoy of the scene is the same version', () => {
    assert.equal(services.get('envoy')?.image, envoy)
  })
})

describe('compose.yaml', () => {
  test('gives every container an address of its own, and the EDS server that of scene.yaml', () => {
    const ownNetwork = [...services.values()].filter(service => service.network_mode === undefined)
    const addresses = ownNetwork.map(({ networks }) => networks?.scene.ipv4_address)
    assert.ok(!addresses.includes(undefined))
    assert.equal(new Set(addresses).size, addresses.length)
    assert.equal(services.get('eds-server')?.networks?.scene.ipv4_address, '172.18.0.4')
  })

  test('sets the scene: Envoy, the EDS server and five upstreams that nobody registered', () => {
    assert.equal(inProfile().length, 7)
    const ports = inProfile().flatMap(([, { environment }]) => environment?.EDS_SERVER_PORT ?? [])
    assert.deepEqual(ports, ['8081', '8082', '8083', '8084', '8085'])
  })

  test('sets a front proxy before two services, each with an Envoy beside it', () => {
    const names = inProfile('front-proxy').map(([name]) => name)
    assert.deepEqual(names, ['front-envoy', 'service1', 'service1-envoy', 'service2', 'service2-envoy'])
    const clusters = names.flatMap(name => {
      const { image, command = [], environment, network_mode: network } = services.get(name) as Service
      assert.equal(environment?.TZ, '\u0024{TZ:-Asia/Shanghai}')
      if (image !== 'rollcall-envoy') {
        const service = command[command.indexOf('--service') + 1]
        assert.equal(service, services.get('front-envoy')?.environment?.SERVICE_NAME)
        return []
      }
      return [[command.at(-1), network]]
    })
    assert.deepEqual(clusters, [
      ['front-proxy', undefined],
      ['service1', 'service:service1'],
      ['service2', 'service:service2'],
    ])
  })

  test('tells the Envoys the port that the EDS server listens on', () => {
    const { command = [] } = services.get('eds-server') as Service
    const port = command[command.indexOf('--grpc-port') + 1]
    assert.equal(services.get('front-envoy')?.environment?.ROLLCALL_GRPC_PORT, port)
    assert.ok(services.has(services.get('front-envoy')?.environment?.ROLLCALL_SERVER ?? ''))
  })
})
