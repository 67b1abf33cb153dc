/** The template of the Envoy image: what the entrypoint makes of it, against eds-grpc.yaml and the real Envoy. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { bootstrapPath } from '../world/bootstrap.ts'
import { configOf, GOOD, run } from '../world/entrypoint.ts'
import { IMAGE, pathWith, RENDERERS } from '../world/image.ts'

/** What the template makes of eds-grpc.yaml, in the terms of its values. */
function expected(service: string, policy: string, server: string, port: number): unknown {
  const file = parse(readFileSync(bootstrapPath('eds-grpc.yaml'), 'utf8'))
  const address = (at: { address: { socket_address: object } }, change: object): unknown =>
    Object.assign(at.address.socket_address, change)
  const [backend, eds] = file.static_resources.clusters
  const [listener] = file.static_resources.listeners
  file.node.id = execFileSync('uname', ['-n'], { encoding: 'utf8' }).trim()
  address(file.admin, { address: '0.0.0.0' })
  const shown = '(ready|stats|stats/prometheus|clusters|listeners|config_dump|certs|server_info)'
  file.admin.allow_paths = [{ safe_regex: { regex: `/${shown}(\\?.*)?` } }]
  address(listener, { address: '0.0.0.0' })
  const [{ typed_config: manager }] = listener.filter_chains[0].filters
  manager.route_config.virtual_hosts[0].routes[0].route.hash_policy = [
    { connection_properties: { source_ip: true } },
  ]
  backend.lb_policy = policy
  backend.eds_cluster_config.service_name = service
  eds.type = 'STRICT_DNS'
  const [{ endpoint }] = eds.load_assignment.endpoints[0].lb_endpoints
  address(endpoint, { address: server, port_value: port })
  return file
}

describe('the template', () => {
  test('is eds-grpc.yaml with the values of the variables, and defaults for those that have one', () => {
    assert.deepEqual(parse(configOf(GOOD)), expected('myservice', 'ROUND_ROBIN', 'eds-server', 8080))
    const all = { ...GOOD, ENVOY_LB_ALG: 'MAGLEV', ROLLCALL_GRPC_PORT: '18000', ROLLCALL_SERVER: 'fd00::1' }
    assert.deepEqual(parse(configOf(all)), expected('myservice', 'MAGLEV', 'fd00::1', 18000))
  })

  test('has the same bytes with envsubst and without', () => {
    for (const env of [
      GOOD,
      { ...GOOD, ENVOY_LB_ALG: 'RANDOM', ROLLCALL_SERVER: '::1', ROLLCALL_GRPC_PORT: '1' },
    ]) {
      const [one, other] = RENDERERS.map(renderer => run(env, { renderer }).config)
      assert.ok(one)
      assert.equal(one, other)
      assert.doesNotMatch(one, /\$/)
    }
  })

  test('keeps a service a name where YAML would see something else', () => {
    for (const name of ['123', 'null', 'true', '1e3', '0x1f', '2026-11-21', 'no', '0.0']) {
      const [backend] = parse(configOf({ ...GOOD, SERVICE_NAME: name })).static_resources.clusters
      assert.equal(backend.eds_cluster_config.service_name, name)
    }
  })

  for (const renderer of RENDERERS) {
    test(`is accepted by Envoy with every algorithm (${renderer})`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'rollcall-image-'))
      const bin = pathWith(folder, renderer)
      for (const algorithm of ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'RING_HASH', 'MAGLEV']) {
        const env = { ...GOOD, ENVOY_LB_ALG: algorithm, PATH: bin }
        const args = ['--mode', 'validate', '-l', 'warning']
        const { stdout, stderr, status } = spawnSync(join(IMAGE, 'docker-entrypoint.sh'), args, {
          env,
          encoding: 'utf8',
          timeout: 20_000,
        })
        assert.deepEqual([status, stderr], [0, ''])
        assert.match(stdout, /OK/)
      }
      rmSync(folder, { recursive: true })
    })
  }
})
