/** What is read from the parts of the server at each scrape, and not counted as it happens. */
import type { MetricSet } from './metric-set.ts'

/** The instances of one service in one state, now. */
export interface InstanceCount {
  readonly service: string
  /** The status; `lapsed` for those whose heartbeats are overdue, `stalled` for those with a blocked main thread. */
  readonly status: string
  readonly count: number
}

/** Documents of one origin and type that clients are served, now. */
export interface ResourceCount {
  readonly origin: string
  readonly type: string
  readonly count: number
}

/** A secret that holds a certificate. */
export interface Expiry {
  readonly name: string
  readonly group: string
  /** Wall time, milliseconds. */
  readonly notAfter: number
}

/** Each is asked once a scrape. */
export interface MetricSources {
  readonly instances: () => Iterable<InstanceCount>
  readonly resources: () => Iterable<ResourceCount>
  readonly resourceErrors: () => number
  readonly expiries: () => Iterable<Expiry>
  readonly eventStreams: () => number
  readonly storeFailing: () => boolean
  readonly warm: () => boolean
  readonly postponedRemovals: () => number
}

/** A server of which nothing can be read yet. */
const NO_SOURCES: MetricSources = {
  instances: () => [],
  resources: () => [],
  resourceErrors: () => 0,
  expiries: () => [],
  eventStreams: () => 0,
  storeFailing: () => false,
  warm: () => true,
  postponedRemovals: () => 0,
}

export class MetricReadings {
  #sources: MetricSources = NO_SOURCES

  constructor(metrics: MetricSet) {
    this.#readRegistry(metrics)
    this.#readResources(metrics)
    metrics.readGauge('rollcall_http_event_streams', 'Open event streams', () => this.#sources.eventStreams())
  }

  /** From now on these are asked; the others stay. */
  from(sources: Partial<MetricSources>): void {
    this.#sources = { ...this.#sources, ...sources }
  }

  #readRegistry(metrics: MetricSet): void {
    metrics.readGauges('rollcall_registry_instances', 'Registered instances', ['service', 'status'], () => {
      const counts = Array.from(this.#sources.instances())
      return counts.map(({ service, status, count }) => ({ labels: { service, status }, value: count }))
    })
    metrics.readGauge('rollcall_store_failing', '1 while registrations cannot be written to disk', () =>
      Number(this.#sources.storeFailing()),
    )
    metrics.readGauge('rollcall_warm', '1 once the server is warm after its start', () =>
      Number(this.#sources.warm()),
    )
    metrics.readGauge('rollcall_removals_postponed', 'Removals by expiry that were put off', () =>
      this.#sources.postponedRemovals(),
    )
  }

  #readResources(metrics: MetricSet): void {
    metrics.readGauges('rollcall_resources', 'Resources in force', ['origin', 'type'], () => {
      const counts = Array.from(this.#sources.resources())
      return counts.map(({ origin, type, count }) => ({ labels: { origin, type }, value: count }))
    })
    metrics.readGauge('rollcall_resource_errors', 'Documents that are wrong at present', () =>
      this.#sources.resourceErrors(),
    )
    metrics.readGauges(
      'rollcall_secret_expiration_timestamp_seconds',
      'When the first certificate in a secret runs out, Unix time',
      ['secret', 'group'],
      () => {
        const expiries = Array.from(this.#sources.expiries())
        return expiries.map(({ name, group, notAfter }) => ({
          labels: { secret: name, group },
          value: notAfter / 1000,
        }))
      },
    )
  }
}
