/** Figures of many samples, ratios of paired ones, and how a figure grows with a size. */

/** Least, median and greatest of some samples. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function spread(samples: readonly number[]): Spread {
  return { min: quantile(samples, 0), median: quantile(samples, 0.5), max: quantile(samples, 1) }
}

/** Ratios of samples that were taken next to each other. */
export function ratios(ours: readonly number[], theirs: readonly number[]): Spread {
  return spread(ours.map((each, index) => each / (theirs[index] ?? Number.NaN)))
}

/** The exponent e of figure = c * size^e that fits best: 0 does not grow, 1 grows in proportion. */
export function exponent(points: readonly (readonly [size: number, figure: number])[]): number {
  const logs = points.map(([size, figure]) => [Math.log(size), Math.log(figure)] as const)
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length
  const slope = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return slope / logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

export function milliseconds(samples: readonly number[]): string {
  const [p50, p99, max] = [quantile(samples, 0.5), quantile(samples, 0.99), quantile(samples, 1)]
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms (n=${samples.length})`
}

export function line(name: string, figure: string): void {
  console.log(`${name.padEnd(58)} ${figure}`)
}
