/** Resources as data, with real processes: what was answered outlives kill -9, and Envoy takes what is admitted. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { Admission } from '../../eds-server/src/resources/admission.ts'
import { documentOf } from '../../eds-server/src/resources/any-json.ts'
import { findEnvoy } from '../../scripts/envoy-binary.mjs'
import { ROOT } from '../../scripts/processes/programs.ts'
import { clusterNamed, listenerWith, placed, routesTo } from '../eds-server/resources/documents.ts'
import { inWorld, type World } from '../world/world.ts'

const WRITERS = 8

async function put(url: string, name: string, document: object): Promise<number> {
  const response = await fetch(`${url}/v1/resources/clusters/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  })
  await response.arrayBuffer()
  return response.status
}

/** Puts as fast as it answers; returns what was answered with success when the server was killed. */
async function answeredUntilKilled(world: World, args: readonly string[], round: number): Promise<string[]> {
  await using registry = await world.startRegistry({ args })
  const answered: string[] = []
  let isKilled = false
  const writer = async (_: unknown, number: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const name = `r${round}w${number}i${i}`
      try {
        if ((await put(registry.url, name, clusterNamed(name))) === 201) answered.push(name)
      } catch (error) {
        // An answer that never came promises nothing.
        if (isKilled) return
        throw error
      }
      if (answered.length > 30 * (round + 1) && !isKilled) {
        isKilled = true
        registry.child.stop('SIGKILL').catch(error => assert.fail(error))
      }
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
  await registry.child.stop('SIGKILL')
  return answered
}

/** A bootstrap around resources as they were admitted, for `envoy --mode validate`. */
function bootstrapOf(documents: readonly unknown[]): object {
  const admission = new Admission({ secretsAllowed: true })
  const of = (plural: string): unknown[] =>
    documents
      .map(document => admission.json(document, ''))
      .filter(({ kind }) => kind.plural === plural)
      .map(({ resource }) => {
        const { '@type': _, ...fields } = documentOf(resource) as Record<string, unknown>
        return fields
      })
  return {
    node: { id: 'test-id', cluster: 'test' },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds_cluster' } }],
      },
    },
    static_resources: {
      listeners: of('listeners'),
      clusters: [...of('clusters'), { name: 'xds_cluster', typed_extension_protocol_options: HTTP2 }],
    },
  }
}

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
}

/** What Envoy says against it; empty: nothing. */
async function envoySays(folder: string, name: string, bootstrap: object): Promise<string> {
  const envoy = findEnvoy()
  assert.ok(envoy, 'no Envoy: run node scripts/setup.mjs --envoy')
  const path = join(folder, `${name}.json`)
  writeFileSync(path, JSON.stringify(bootstrap))
  const args = ['--mode', 'validate', '--disable-hot-restart', '-l', 'warning', '-c', path]
  return await promisify(execFile)(envoy, args).then(
    () => '',
    (error: { stderr: string }) => error.stderr,
  )
}

describe('resources as data, with real processes', () => {
  test(
    'what was answered 201 is there after kill -9, each time',
    inWorld(async (world, t) => {
      const args = ['--data-dir', join(world.folder, 'data')]
      const answered: string[] = []
      for (let round = 0; round < 3; round++)
        answered.push(...(await answeredUntilKilled(world, args, round)))
      await using registry = await world.startRegistry({ args })
      const list = await fetch(`${registry.url}/v1/resources/clusters`)
      const { resources, errors } = (await list.json()) as {
        resources: { name: string }[]
        errors: unknown[]
      }
      const known = new Set(resources.map(({ name }) => name))
      assert.deepEqual([answered.filter(name => !known.has(name)), errors], [[], []])
      t.diagnostic(`3 kills; ${answered.length} answered, none is missing`)
    }),
  )

  test(
    'Envoy takes the samples of envoy/resources as they are admitted',
    inWorld(async world => {
      const folder = join(ROOT, 'envoy', 'resources')
      const documents = readdirSync(folder).map(file => parse(readFileSync(join(folder, file), 'utf8')))
      assert.equal(await envoySays(world.folder, 'samples', bootstrapOf(documents)), '')
    }),
  )

  test(
    'what is refused because of a rule is refused by Envoy too, and what its bootstraps hold is admitted',
    inWorld(async world => {
      const bootstrap = bootstrapOf([clusterNamed('a'), listenerWith({})])
      assert.equal(await envoySays(world.folder, 'right', bootstrap), '')
      const broken: [string, string, object][] = [
        ['cluster', 'connect_timeout', clusterNamed('a', { connect_timeout: '0s' })],
        ['cluster', 'lb_policy', clusterNamed('a', { lb_policy: 99 })],
        ['listener', 'stat_prefix', listenerWith({ stat_prefix: '' })],
        ['listener', 'config_source', listenerWith({ rds: { route_config_name: 'r' } })],
        ['listener', 'route_specifier', listenerWith({ rds: null })],
      ]
      for (const [kind, field, document] of broken) {
        assert.throws(() => placed(document), new RegExp(field))
        const { static_resources, ...rest } = bootstrap as Record<string, Record<string, unknown[]>>
        const { '@type': _, ...fields } = document as Record<string, unknown>
        const mixed = {
          ...rest,
          static_resources: {
            ...static_resources,
            [`${kind}s`]: [
              fields,
              ...(kind === 'cluster' ? (static_resources?.clusters?.slice(1) ?? []) : []),
            ],
          },
        }
        assert.notEqual(await envoySays(world.folder, field, mixed), '', field)
      }
      for (const file of readdirSync(join(ROOT, 'envoy')).filter(
        name => name.endsWith('.yaml') && name !== 'compose.yaml',
      )) {
        const { static_resources: held } = parse(readFileSync(join(ROOT, 'envoy', file), 'utf8'))
        const types = { clusters: clusterNamed(''), listeners: listenerWith({}) }
        for (const [plural, { '@type': type }] of Object.entries(types)) {
          for (const each of held[plural] ?? []) placed({ '@type': type, ...each }, { source: file })
        }
      }
      placed(routesTo('r', 'a'))
    }),
  )
})
