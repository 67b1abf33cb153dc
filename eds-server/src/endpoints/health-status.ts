/** How an instance's status is told to Envoy. */
import type { Instance, Status } from '../registry/instance.ts'

/** `envoy.config.core.v3.HealthStatus` */
export const HEALTH_STATUS = { HEALTHY: 1, UNHEALTHY: 2, DRAINING: 3, DEGRADED: 5 } as const

export type HealthStatus = (typeof HEALTH_STATUS)[keyof typeof HEALTH_STATUS]

const OF_STATUS: Readonly<Record<Status, HealthStatus>> = {
  starting: HEALTH_STATUS.UNHEALTHY,
  healthy: HEALTH_STATUS.HEALTHY,
  degraded: HEALTH_STATUS.DEGRADED,
  unhealthy: HEALTH_STATUS.UNHEALTHY,
  draining: HEALTH_STATUS.DRAINING,
}

/**
 * A planned stop is DRAINING, which leaves Envoy's panic maths; a lapsed lease is UNHEALTHY, which counts in it:
 * where many lapse at once, Envoy fails open and goes on using them.
 *
 * A stalled instance keeps the health that its checks gave it last, and is not DEGRADED (F46): a pause of a few
 * seconds is over before a change of health has helped anybody; a fleet that collects garbage at once would be moved
 * about as a whole; and Envoy sees sooner than any heartbeat who does not answer, by health checks and outlier
 * detection.
 */
export function healthStatusOf(instance: Instance): HealthStatus {
  if (instance.lapsed && instance.status !== 'draining') return HEALTH_STATUS.UNHEALTHY
  return OF_STATUS[instance.status]
}
