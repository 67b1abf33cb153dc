/** The address of an instance of the benchmarks, in 127.0.0.0/8; the load generator has the same. */
export function addressOf(index: number): string {
  return `127.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`
}
