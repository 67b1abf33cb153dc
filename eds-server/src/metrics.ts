/**
 * Every metric of the server. docs/metrics.md repeats the names and a test compares the two. Names are public: never
 * reused. No label carries an instance, a client or a path.
 */
import type { ErrorCode } from './errors.ts'
import { MetricReadings, type MetricSources } from './metric-readings.ts'
import { type MetricDescription, MetricSet } from './metric-set.ts'

export type HeartbeatResult = 'renewed' | 'refused'
export type StreamVariant = 'sotw' | 'delta'

const PUBLICATION_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

export class Metrics {
  readonly #set = new MetricSet()
  readonly #readings = new MetricReadings(this.#set)
  readonly #heartbeats = this.#set.counter('rollcall_registry_heartbeats_total', 'Heartbeats by result', [
    'result',
  ])
  readonly #heartbeat = {
    renewed: this.#heartbeats.labels('renewed'),
    refused: this.#heartbeats.labels('refused'),
  }
  readonly #expirations = this.#set.counter(
    'rollcall_registry_expirations_total',
    'Instances removed by expiry',
    ['service'],
  )
  readonly #problems = this.#set.counter(
    'rollcall_http_problems_total',
    'Error answers of the HTTP API by code',
    ['code'],
  )
  readonly #streams = this.#set.gauge('rollcall_xds_streams', 'Open streams', ['variant', 'aggregated'])
  readonly #responses = this.#set.counterByType('rollcall_xds_responses_total', 'Responses sent')
  readonly #responseBytes = this.#set.counterByType(
    'rollcall_xds_response_bytes_total',
    'Bytes of responses sent',
  )
  readonly #slowClients = this.#set.counter(
    'rollcall_xds_slow_clients_total',
    'Streams closed because the client read too slowly',
  )
  readonly #secretsWithheld = this.#set.counter(
    'rollcall_xds_secrets_withheld_total',
    'Requests for secrets by clients beyond loopback',
  )
  readonly #acks = this.#set.counterByType('rollcall_xds_acks_total', 'Responses that clients took')
  readonly #nacks = this.#set.counterByType('rollcall_xds_nacks_total', 'Responses that clients refused')
  readonly #publication = this.#set.histogram(
    'rollcall_publication_duration_seconds',
    'Building one service and handing it to all of its streams',
    PUBLICATION_SECONDS,
  )
  readonly #resourceRefusals = this.#set.counter(
    'rollcall_resource_refusals_total',
    'Changes of resources that were refused',
    ['origin'],
  )
  readonly #frozen = this.#set.gauge('rollcall_self_preservation_frozen', '1 while expiry is frozen, else 0')

  get contentType(): string {
    return this.#set.contentType
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

  resourceRefused(origin: 'api' | 'files'): void {
    this.#resourceRefusals.inc({ origin })
  }

  frozen(isFrozen: boolean): void {
    this.#frozen.set(Number(isFrozen))
  }

  /** What is asked at each scrape from now on, beside what was named before. */
  readFrom(sources: Partial<MetricSources>): void {
    this.#readings.from(sources)
  }

  /** Our own metrics, without those of the process and of the runtime. */
  describe(): MetricDescription[] {
    return this.#set.described
  }

  /** The Prometheus text format, as `contentType` says. */
  render(): Promise<string> {
    return this.#set.render()
  }
}
