/** Listeners: those of the policy, and for each service the one that a gRPC client asks for by `xds:///<service>`. */
import { type Fields, type ListenerRule, merged } from './policy.ts'
import { routeConfigName } from './route-template.ts'

const TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener'
const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'
const ROUTER_FILTER: Fields = { name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }
const ADS: Fields = { ads: {}, resource_api_version: 'V3' }

/** The limits are those of Envoy's advice for listeners that strangers reach. */
export function listenerOf(rule: ListenerRule): Fields {
  const manager: Fields = {
    '@type': MANAGER,
    stat_prefix: rule.name,
    codec_type: 'AUTO',
    rds: { config_source: ADS, route_config_name: routeConfigName(rule) },
    http_filters: [ROUTER_FILTER],
    // Without these two, a path could be matched as another one than the upstream serves.
    normalize_path: true,
    merge_slashes: true,
    http2_protocol_options: {
      max_concurrent_streams: 100,
      initial_stream_window_size: 65_536,
      initial_connection_window_size: 1_048_576,
    },
  }
  const listener: Fields = {
    '@type': TYPE,
    name: rule.name,
    address: { socket_address: { address: rule.address ?? '127.0.0.1', port_value: rule.port } },
    per_connection_buffer_limit_bytes: 32_768,
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  }
  return merged(listener, rule.listener)
}

/** What a gRPC client asks for by `xds:///<service>`; its routes come as a resource of their own. */
export function grpcListenerOf(service: string): Fields {
  const manager: Fields = {
    '@type': MANAGER,
    stat_prefix: service,
    rds: { config_source: ADS, route_config_name: grpcRoutesName(service) },
    http_filters: [ROUTER_FILTER],
  }
  return { '@type': TYPE, name: service, api_listener: { api_listener: manager } }
}

/** Everything goes to the one service. */
export function grpcRoutesOf(service: string): Fields {
  return {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name: grpcRoutesName(service),
    virtual_hosts: [
      { name: service, domains: ['*'], routes: [{ match: { prefix: '' }, route: { cluster: service } }] },
    ],
  }
}

/** Apart from the names of listeners, which routes of the policy are named after. */
function grpcRoutesName(service: string): string {
  return `xds:///${service}`
}
