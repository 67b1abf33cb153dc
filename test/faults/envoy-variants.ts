/** What the scenarios change of the shipped bootstraps. */
import type { BootstrapChange } from '../world/bootstrap.ts'

const BACKEND = ['static_resources', 'clusters', 0]
const MANAGER = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config']
const ROUTE = [...MANAGER, 'route_config', 'virtual_hosts', 0, 'routes', 0, 'route']

export const withoutOutlierDetection: BootstrapChange = bootstrap => {
  if (!bootstrap.deleteIn([...BACKEND, 'outlier_detection'])) throw new Error('no outlier_detection')
}

/** For requests that may run twice, as the comment in the bootstraps says. */
export const retryingGets: BootstrapChange = bootstrap => {
  const path = [...ROUTE, 'retry_policy', 'retry_on']
  bootstrap.setIn(path, `${bootstrap.getIn(path)},gateway-error,reset`)
}

/** The same, and a try without an answer within a second is one that failed. */
export const retryingSlowGets: BootstrapChange = bootstrap => {
  retryingGets(bootstrap)
  bootstrap.setIn([...ROUTE, 'retry_policy', 'per_try_timeout'], '1s')
}
