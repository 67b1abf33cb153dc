/** The metrics as the library has them, and the only file beside LabelledCounter that knows it. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry as MetricRegistry } from 'prom-client'
import { LabelledCounter } from './labelled-counter.ts'

export interface MetricDescription {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
}

/** One value of a metric, and the labels that it is of. */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
}

export class MetricSet {
  readonly #registry = new MetricRegistry()
  readonly #described: MetricDescription[] = []

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** Our own metrics, without those of the process and of the runtime. */
  get described(): MetricDescription[] {
    return this.#described
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The Prometheus text format, as `contentType` says. */
  render(): Promise<string> {
    return this.#registry.metrics()
  }

  counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter(this.#describe('counter', { name, help, labelNames }))
  }

  counterByType(name: string, help: string): LabelledCounter {
    this.#describe('counter', { name, help, labelNames: ['type_url'] })
    return new LabelledCounter(this.#registry, name, help, 'type_url')
  }

  gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge(this.#describe('gauge', { name, help, labelNames }))
  }

  /** A gauge without labels, whose value is asked for at each scrape. */
  readGauge(name: string, help: string, read: () => number): void {
    this.readGauges(name, help, [], () => [{ labels: {}, value: read() }])
  }

  /** A gauge whose values are asked for at each scrape: of labels that are not among them there is none. */
  readGauges(name: string, help: string, labelNames: string[], read: () => Iterable<Reading>): void {
    new Gauge({
      ...this.#describe('gauge', { name, help, labelNames }),
      collect() {
        this.reset()
        for (const { labels, value } of read()) this.set(labels, value)
      },
    })
  }

  histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ ...this.#describe('histogram', { name, help, labelNames: [] }), buckets })
  }

  #describe(
    type: MetricDescription['type'],
    options: MetricOptions,
  ): MetricOptions & { registers: MetricRegistry[] } {
    this.#described.push({ name: options.name, type, labels: options.labelNames })
    return { ...options, registers: [this.#registry] }
  }
}
