/**
 * A counter with one label whose values are few, counted without the library, which costs more than what it counts: it
 * is told at each scrape.
 */
import { Counter, type Registry } from 'prom-client'

export class LabelledCounter {
  readonly #counts = new Map<string, number>()

  constructor(registry: Registry, name: string, help: string, label: string) {
    const counts = this.#counts
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset()
        for (const [value, count] of counts) this.inc({ [label]: value }, count)
      },
    })
  }

  inc(value: string, by = 1): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + by)
  }
}
