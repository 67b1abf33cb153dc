import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encoder, packageDefinition, streamingMethods } from '../../../eds-server/src/xds/protos.ts'
import { LB_ENDPOINT, RESOURCE_TYPES, VIRTUAL_HOST } from '../../../eds-server/src/xds/resource-type.ts'
import { buildDescriptorSet, DESCRIPTOR_SETS } from '../../../scripts/protos.ts'

for (const set of DESCRIPTOR_SETS) {
  test(`${set.target} is what npm run protos builds`, () => {
    const checkedIn = readFileSync(new URL(`../../../${set.target}`, import.meta.url))
    assert.equal(buildDescriptorSet(set).compare(checkedIn), 0)
  })
}

test('every type has its discovery service, with the methods that its name promises (X-01)', () => {
  const deltaOnly = [VIRTUAL_HOST, LB_ENDPOINT].map(type => type.discoveryService)
  for (const { discoveryService } of RESOURCE_TYPES) {
    const prefixes = streamingMethods(discoveryService)
      .map(({ name }) => (name.startsWith('Delta') ? 'Delta' : 'Stream'))
      .sort()
    assert.deepEqual(
      prefixes,
      deltaOnly.includes(discoveryService) ? ['Delta'] : ['Delta', 'Stream'],
      discoveryService,
    )
  }
})

test('the paths are those of the protocol', () => {
  const paths = (service: string) => streamingMethods(service).map(({ path }) => path)
  assert.deepEqual(paths('envoy.service.discovery.v3.AggregatedDiscoveryService'), [
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  ])
})

test('what the descriptor set lacks is named', () => {
  assert.throws(() => encoder('no.such.Message'), /no\.such\.Message/)
  assert.throws(() => streamingMethods('no.such.Service'), /no\.such\.Service/)
  assert.throws(() => streamingMethods('envoy.service.discovery.v3.DiscoveryRequest'), /DiscoveryRequest/)
  assert.ok(packageDefinition['envoy.config.endpoint.v3.ClusterLoadAssignment'])
})
