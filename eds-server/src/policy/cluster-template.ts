/** A service as an Envoy cluster: the settings of the shipped bootstraps, which a test holds it to. */
import { type Fields, type Json, merged, type ServiceRule } from './policy.ts'

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** How long a cluster waits for its endpoints while no server answers; then it starts without. */
const INITIAL_FETCH_TIMEOUT = '15s'

/** Envoy's defaults, said aloud: gRPC's client for Node 1.14 takes them for NaN where they are absent, and crashes. */
export const SUCCESS_RATE: Fields = {
  enforcing_success_rate: 100,
  success_rate_minimum_hosts: 5,
  success_rate_request_volume: 100,
  success_rate_stdev_factor: 1900,
}

/** The resource as proto3 JSON. */
export function clusterOf(service: string, rule: ServiceRule): Fields {
  const cluster: Fields = {
    '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    name: service,
    type: 'EDS',
    connect_timeout: '0.25s',
    eds_cluster_config: {
      service_name: service,
      eds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: INITIAL_FETCH_TIMEOUT },
    },
    // What the registry removes is gone at once, even while its health checks still pass.
    ignore_health_on_host_removal: true,
    common_lb_config: {
      healthy_panic_threshold: { value: 50 },
      update_merge_window: '0s',
      ...(rule.locality_weighted ? { locality_weighted_lb_config: {} } : {}),
    },
    ...healthChecks(rule),
    outlier_detection: {
      interval: '1s',
      base_ejection_time: '5s',
      max_ejection_percent: 50,
      always_eject_one_host: true,
      consecutive_5xx: 5,
      consecutive_gateway_failure: 5,
      enforcing_consecutive_gateway_failure: 100,
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 3,
      ...SUCCESS_RATE,
    },
    circuit_breakers: {
      thresholds: [{ retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 1000 } }],
    },
    ...subsets(rule),
    ...protocol(rule),
  }
  return merged(cluster, rule.cluster || undefined)
}

function healthChecks({ health_check = '/healthz' }: ServiceRule): Fields {
  if (health_check === false) return {}
  const check: Json =
    health_check === 'grpc' ? { grpc_health_check: {} } : { http_health_check: { path: health_check } }
  return {
    health_checks: [
      {
        timeout: '1s',
        interval: '2s',
        interval_jitter: '0.2s',
        no_traffic_interval: '5s',
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        ...check,
      },
    ],
  }
}

function subsets({ subsets: keySets = [], locality_weighted }: ServiceRule): Fields {
  if (keySets.length === 0) return {}
  return {
    lb_subset_config: {
      fallback_policy: 'ANY_ENDPOINT',
      subset_selectors: keySets.map(keys => ({ keys })),
      ...(locality_weighted ? { locality_weight_aware: true } : {}),
    },
  }
}

/** Health checks by gRPC need HTTP/2 whatever else is said. */
function protocol({ protocol: spoken = 'http1', health_check }: ServiceRule): Fields {
  if (spoken === 'http1' && health_check !== 'grpc') return {}
  return {
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  }
}
