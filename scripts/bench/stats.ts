/** Figures of many samples, and a line to print them. */

export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function milliseconds(samples: readonly number[]): string {
  const [p50, p99, max] = [quantile(samples, 0.5), quantile(samples, 0.99), quantile(samples, 1)]
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms (n=${samples.length})`
}

export function line(name: string, figure: string): void {
  console.log(`${name.padEnd(58)} ${figure}`)
}
