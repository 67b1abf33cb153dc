/** Incremental over a stream: `DeltaAggregatedResources` and the typed `Delta…` methods. */
import { DeltaSubscription } from './delta-subscription.ts'
import { DELTA_FIELDS, type DeltaDiscoveryRequest, decodeDeltaDiscoveryRequest } from './discovery-request.ts'
import type { Protocol } from './stream-context.ts'

export const DELTA: Protocol<DeltaDiscoveryRequest> = {
  name: 'delta',
  nodeField: DELTA_FIELDS.NODE,
  decode: decodeDeltaDiscoveryRequest,
  namesIn: ({ subscribe, initialVersions }) =>
    initialVersions.size === 0 ? subscribe : new Set([...subscribe, ...initialVersions.keys()]),
  takesTtl: ({ ttl }) => ttl,
  subscribe: (source, interest) => new DeltaSubscription(source, interest),
  encode: (encoder, typeUrl, response) => encoder.delta(typeUrl, response),
}
