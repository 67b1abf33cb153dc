import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from '../../eds-server/src/metrics.ts'
import { documentedRows } from '../world/markdown.ts'

test('docs/metrics.md has every metric of ours with its type and labels, and no other', async () => {
  const metrics = new Metrics()
  const said = documentedRows('metrics.md').map(([name, type, labels = '']) => {
    return `${name} ${type} ${labels.replaceAll('`', '')}`
  })
  assert.deepEqual(
    said.sort(),
    metrics
      .describe()
      .map(({ name, type, labels }) => `${name} ${type} ${labels.join(', ')}`)
      .sort(),
  )
})

test('each metric counts what its method says', async () => {
  const metrics = new Metrics()
  metrics.heartbeat('renewed')
  metrics.heartbeat('renewed', 4)
  metrics.heartbeat('refused')
  metrics.expired('myservice')
  metrics.problem('ROLLCALL_INVALID_ARGUMENT')
  metrics.streamOpened('delta', true)
  metrics.streamOpened('delta', true)
  metrics.streamClosed('delta', true)
  metrics.responseSent('type', 'sotw', 120)
  metrics.acked('type')
  metrics.nacked('type')
  metrics.slowClientClosed()
  metrics.published(0.002)
  metrics.resourceRefused('files')
  metrics.secretsWithheld()
  metrics.frozen(true)
  const text = await metrics.render()
  for (const line of [
    'rollcall_registry_heartbeats_total{result="renewed"} 5',
    'rollcall_registry_heartbeats_total{result="refused"} 1',
    'rollcall_registry_expirations_total{service="myservice"} 1',
    'rollcall_http_problems_total{code="ROLLCALL_INVALID_ARGUMENT"} 1',
    'rollcall_xds_streams{variant="delta",aggregated="true"} 1',
    'rollcall_xds_responses_total{type_url="type"} 1',
    'rollcall_xds_response_bytes_total{type_url="type"} 120',
    'rollcall_xds_acks_total{type_url="type"} 1',
    'rollcall_xds_nacks_total{type_url="type"} 1',
    'rollcall_xds_slow_clients_total 1',
    'rollcall_publication_duration_seconds_sum 0.002',
    'rollcall_resource_refusals_total{origin="files"} 1',
    'rollcall_xds_secrets_withheld_total 1',
    'rollcall_self_preservation_frozen 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
})

test('what is read at the scrape is asked once, of whoever was named last', async () => {
  const metrics = new Metrics()
  let asked = 0
  const counts = [{ origin: 'api', type: 'clusters', count: 2 }]
  metrics.readFrom({ resourceErrors: () => 1, warm: () => false, eventStreams: () => 7 })
  metrics.readFrom({
    resources() {
      asked += 1
      return counts
    },
    resourceErrors: () => 3,
    expiries: () => [{ name: 's', group: 'g', notAfter: 5000 }],
    storeFailing: () => true,
    postponedRemovals: () => 4,
  })
  const text = await metrics.render()
  for (const line of [
    'rollcall_resources{origin="api",type="clusters"} 2',
    'rollcall_resource_errors 3',
    'rollcall_secret_expiration_timestamp_seconds{secret="s",group="g"} 5',
    'rollcall_http_event_streams 7',
    'rollcall_store_failing 1',
    'rollcall_warm 0',
    'rollcall_removals_postponed 4',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
  assert.equal(asked, 1)
})

test('instances are counted at the scrape, and a service that is gone is gone', async () => {
  const metrics = new Metrics()
  let counts = [{ service: 'a', status: 'healthy', count: 2 }]
  metrics.readFrom({ instances: () => counts })
  assert.match(await metrics.render(), /rollcall_registry_instances\{service="a",status="healthy"\} 2/)
  counts = []
  assert.doesNotMatch(await metrics.render(), /rollcall_registry_instances\{/)
})
