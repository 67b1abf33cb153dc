/** How much of each part a run does: `quick` is the smallest that means something, `full` is what is published. */
import type { Peer } from './generator.ts'
import type { Report } from './report.ts'

export interface FanOutSize {
  readonly streams: number
  readonly endpoints: number
  readonly mode: 'sotw' | 'delta'
  /** A real Envoy's node, in every ACK. */
  readonly hasNode?: boolean
}

export interface Churn {
  readonly rate: number
  readonly streams: number
  readonly seconds: number
  readonly rounds: number
}

export interface Profile {
  readonly name: string
  readonly fanOut: readonly FanOutSize[]
  readonly changes: number
  readonly latency: { readonly changes: number; readonly rounds: number }
  readonly churn: readonly Churn[]
  readonly heartbeats: {
    readonly instances: readonly number[]
    readonly seconds: number
    readonly rounds: number
  }
  /** Sizes of the registry beyond 10,000, and sizes when each registration is on disk. */
  readonly instances: { readonly inMemory: readonly number[]; readonly onDisk: readonly number[] }
  readonly idleStreams: number
  /** Through a real Envoy: instances that are added, and registrations that it polls for, by each way of polling. */
  readonly firstRequests: number
  readonly polledRegistrations: number
  readonly restSeconds: number
}

export interface Bench {
  readonly peer: Peer
  readonly profile: Profile
  readonly report: Report
}

const sizes = (mode: 'sotw' | 'delta', ...pairs: [streams: number, endpoints: number][]): FanOutSize[] =>
  pairs.map(([streams, endpoints]) => ({ streams, endpoints, mode }))

const QUICK: Profile = {
  name: 'quick',
  fanOut: [
    ...sizes('sotw', [100, 10], [1000, 10], [1000, 1000]),
    { streams: 1000, endpoints: 10, mode: 'sotw', hasNode: true },
  ],
  changes: 5,
  latency: { changes: 60, rounds: 3 },
  churn: [{ rate: 1000, streams: 100, seconds: 4, rounds: 1 }],
  heartbeats: { instances: [10, 10_000], seconds: 1.5, rounds: 1 },
  instances: { inMemory: [], onDisk: [10_000] },
  idleStreams: 500,
  firstRequests: 100,
  polledRegistrations: 2,
  restSeconds: 2,
}

const FULL: Profile = {
  name: 'full',
  fanOut: [
    ...sizes('sotw', [1, 10], [100, 10], [1000, 10], [5000, 10]),
    ...sizes('sotw', [1, 1000], [100, 1000], [1000, 1000], [5000, 1000]),
    ...sizes('sotw', [1, 10_000], [100, 10_000], [1000, 10_000]),
    ...sizes('delta', [1000, 10], [100, 1000], [1000, 1000], [5000, 1000], [100, 10_000]),
    { streams: 1000, endpoints: 10, mode: 'sotw', hasNode: true },
    { streams: 1000, endpoints: 10, mode: 'delta', hasNode: true },
  ],
  changes: 7,
  latency: { changes: 200, rounds: 5 },
  churn: [
    { rate: 1000, streams: 100, seconds: 10, rounds: 2 },
    { rate: 100, streams: 1000, seconds: 10, rounds: 2 },
  ],
  heartbeats: { instances: [10, 1000, 10_000, 100_000], seconds: 4, rounds: 2 },
  instances: { inMemory: [100_000, 1_000_000], onDisk: [10_000, 100_000] },
  idleStreams: 2000,
  firstRequests: 300,
  polledRegistrations: 40,
  restSeconds: 10,
}

export const PROFILES: Readonly<Record<string, Profile>> = { quick: QUICK, full: FULL }
