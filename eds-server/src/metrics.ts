/**
 * Every metric of the server, and the only file that knows the metrics library. docs/metrics.md repeats the names
 * and a test compares the two. Names are public: never reused. No label carries an instance, a client or a path.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry as MetricRegistry } from 'prom-client'
import type { ErrorCode } from './errors.ts'
import { LabelledCounter } from './labelled-counter.ts'

export type HeartbeatResult = 'renewed' | 'refused'
export type StreamVariant = 'sotw' | 'delta'

/** The instances of one service in one state, now. */
export interface InstanceCount {
  readonly service: string
  /** The status; `lapsed` for those whose heartbeats are overdue, `stalled` for those with a blocked main thread. */
  readonly status: string
  readonly count: number
}

/** Documents that clients are served, now. */
export interface ResourceCounts {
  readonly inForce: readonly { readonly origin: string; readonly type: string; readonly count: number }[]
  readonly errors: number
}

/** A secret that holds a certificate. */
export interface Expiry {
  readonly name: string
  readonly group: string
  /** Wall time, milliseconds. */
  readonly notAfter: number
}

export interface MetricDescription {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
}

const PUBLICATION_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

export class Metrics {
  readonly #registry = new MetricRegistry()
  readonly #described: MetricDescription[] = []
  readonly #heartbeats = this.#counter('rollcall_registry_heartbeats_total', 'Heartbeats by result', [
    'result',
  ])
  readonly #heartbeat: Readonly<Record<HeartbeatResult, Counter.Internal>> = {
    renewed: this.#heartbeats.labels('renewed'),
    refused: this.#heartbeats.labels('refused'),
  }
  readonly #expirations = this.#counter(
    'rollcall_registry_expirations_total',
    'Instances removed by expiry',
    ['service'],
  )
  readonly #problems = this.#counter(
    'rollcall_http_problems_total',
    'Error answers of the HTTP API by code',
    ['code'],
  )
  readonly #streams = this.#gauge('rollcall_xds_streams', 'Open streams', ['variant', 'aggregated'])
  readonly #responses = this.#byType('rollcall_xds_responses_total', 'Responses sent')
  readonly #responseBytes = this.#byType('rollcall_xds_response_bytes_total', 'Bytes of responses sent')
  readonly #slowClients = this.#counter(
    'rollcall_xds_slow_clients_total',
    'Streams closed because the client read too slowly',
    [],
  )
  readonly #secretsWithheld = this.#counter(
    'rollcall_xds_secrets_withheld_total',
    'Requests for secrets by clients beyond loopback',
    [],
  )
  readonly #acks = this.#byType('rollcall_xds_acks_total', 'Responses that clients took')
  readonly #nacks = this.#byType('rollcall_xds_nacks_total', 'Responses that clients refused')
  readonly #publication = this.#histogram(
    'rollcall_publication_duration_seconds',
    'Building one service and handing it to all of its streams',
    [],
    PUBLICATION_SECONDS,
  )

  readonly #resourceRefusals = this.#counter(
    'rollcall_resource_refusals_total',
    'Changes of resources that were refused',
    ['origin'],
  )
  readonly #frozen = this.#gauge('rollcall_self_preservation_frozen', '1 while expiry is frozen, else 0', [])

  readonly contentType: string = this.#registry.contentType
  #readInstances: () => Iterable<InstanceCount> = () => []
  #readEventStreams: () => number = () => 0
  #readExpiries: () => readonly Expiry[] = () => []
  #readResources: () => ResourceCounts = () => ({ inForce: [], errors: 0 })
  #readHealth: () => { storeFailing: boolean; warm: boolean; postponed: number } = () => ({
    storeFailing: false,
    warm: true,
    postponed: 0,
  })

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    const instances = this.#gauge(
      'rollcall_registry_instances',
      'Registered instances',
      ['service', 'status'],
      () => {
        instances.reset()
        for (const { service, status, count } of this.#readInstances())
          instances.set({ service, status }, count)
      },
    )
    const resources = this.#gauge('rollcall_resources', 'Resources in force', ['origin', 'type'], () => {
      resources.reset()
      for (const { origin, type, count } of this.#readResources().inForce) {
        resources.set({ origin, type }, count)
      }
    })
    const errors = this.#gauge('rollcall_resource_errors', 'Documents that are wrong at present', [], () => {
      errors.set(this.#readResources().errors)
    })
    const expiries = this.#gauge(
      'rollcall_secret_expiration_timestamp_seconds',
      'When the first certificate in a secret runs out, Unix time',
      ['secret', 'group'],
      () => {
        expiries.reset()
        for (const { name, group, notAfter } of this.#readExpiries()) {
          expiries.set({ secret: name, group }, notAfter / 1000)
        }
      },
    )
    const streams = this.#gauge('rollcall_http_event_streams', 'Open event streams', [], () => {
      streams.set(this.#readEventStreams())
    })
    const failing = this.#gauge(
      'rollcall_store_failing',
      '1 while registrations cannot be written to disk',
      [],
      () => {
        failing.set(Number(this.#readHealth().storeFailing))
      },
    )
    const warm = this.#gauge('rollcall_warm', '1 once the server is warm after its start', [], () => {
      warm.set(Number(this.#readHealth().warm))
    })
    const postponed = this.#gauge(
      'rollcall_removals_postponed',
      'Removals by expiry that were put off',
      [],
      () => {
        postponed.set(this.#readHealth().postponed)
      },
    )
  }

  heartbeat(result: HeartbeatResult, count = 1): void {
    this.#heartbeat[result].inc(count)
  }

  expired(service: string): void {
    this.#expirations.inc({ service })
  }

  problem(code: ErrorCode): void {
    this.#problems.inc({ code })
  }

  streamOpened(variant: StreamVariant, aggregated: boolean): void {
    this.#streams.inc({ variant, aggregated: String(aggregated) })
  }

  streamClosed(variant: StreamVariant, aggregated: boolean): void {
    this.#streams.dec({ variant, aggregated: String(aggregated) })
  }

  responseSent(typeUrl: string, _variant: StreamVariant | 'rest', bytes: number): void {
    this.#responses.inc(typeUrl)
    this.#responseBytes.inc(typeUrl, bytes)
  }

  acked(typeUrl: string): void {
    this.#acks.inc(typeUrl)
  }

  nacked(typeUrl: string): void {
    this.#nacks.inc(typeUrl)
  }

  slowClientClosed(): void {
    this.#slowClients.inc()
  }

  secretsWithheld(): void {
    this.#secretsWithheld.inc()
  }

  published(seconds: number): void {
    this.#publication.observe(seconds)
  }

  frozen(isFrozen: boolean): void {
    this.#frozen.set(Number(isFrozen))
  }

  /** Asked at each scrape. */
  readHealth(read: () => { storeFailing: boolean; warm: boolean; postponed: number }): void {
    this.#readHealth = read
  }

  /** Asked at each scrape. */
  readInstances(read: () => Iterable<InstanceCount>): void {
    this.#readInstances = read
  }

  resourceRefused(origin: 'api' | 'files'): void {
    this.#resourceRefusals.inc({ origin })
  }

  /** Asked at each scrape. */
  readExpiries(read: () => readonly Expiry[]): void {
    this.#readExpiries = read
  }

  /** Asked at each scrape. */
  readResources(read: () => ResourceCounts): void {
    this.#readResources = read
  }

  /** Asked at each scrape. */
  readEventStreams(read: () => number): void {
    this.#readEventStreams = read
  }

  /** Our own metrics, without those of the process and of the runtime. */
  describe(): MetricDescription[] {
    return this.#described
  }

  /** The Prometheus text format, as `contentType` says. */
  render(): Promise<string> {
    return this.#registry.metrics()
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    this.#described.push({ name, type: 'counter', labels: labelNames })
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #byType(name: string, help: string): LabelledCounter {
    this.#described.push({ name, type: 'counter', labels: ['type_url'] })
    return new LabelledCounter(this.#registry, name, help, 'type_url')
  }

  #gauge(name: string, help: string, labelNames: string[], collect?: () => void): Gauge {
    this.#described.push({ name, type: 'gauge', labels: labelNames })
    return new Gauge({ name, help, labelNames, registers: [this.#registry], ...(collect && { collect }) })
  }

  #histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
    this.#described.push({ name, type: 'histogram', labels: labelNames })
    return new Histogram({ name, help, labelNames, buckets, registers: [this.#registry] })
  }
}
