/** State of the world over a stream: `StreamAggregatedResources` and the typed `Stream…` methods. */
import { type DiscoveryRequest, decodeDiscoveryRequest, SOTW_FIELDS } from './discovery-request.ts'
import { SotwSubscription } from './sotw-subscription.ts'
import type { Protocol } from './stream-context.ts'

export const SOTW: Protocol<DiscoveryRequest> = {
  name: 'sotw',
  nodeField: SOTW_FIELDS.NODE,
  decode: decodeDiscoveryRequest,
  namesIn: request => request.names,
  takesTtl: ({ ttl, wrapped }) => ttl && wrapped,
  subscribe: (source, interest) => new SotwSubscription(source, interest),
  encode: (encoder, typeUrl, response) => encoder.sotw(typeUrl, response),
}
