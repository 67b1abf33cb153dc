/** The parts with a real Envoy, which need no peer and no load generator. */
import type { Profile } from '../profile.ts'
import type { Report } from '../report.ts'
import { startServer } from '../servers.ts'
import { quantile } from '../stats.ts'
import { firstRequests } from './first-request.ts'
import { polled, VARIANTS } from './polling.ts'

interface EnvoyBench {
  readonly profile: Profile
  readonly report: Report
}

export async function firstRequest({ profile, report }: EnvoyBench): Promise<void> {
  const samples = await firstRequests(profile.firstRequests)
  const what = 'registration to first request answered by a second instance'
  report.figure(`${what}: p50`, [quantile(samples, 0.5)], 'ms')
  report.figure(`${what}: p99`, [quantile(samples, 0.99)], 'ms')
}

export async function polling({ profile, report }: EnvoyBench): Promise<void> {
  // One for all: until a server has warmed up, which takes 10 s, it answers no poll.
  const server = await startServer()
  for (const variant of VARIANTS) {
    const samples = await polled(server, variant, profile.polledRegistrations)
    report.figure(`registration to polling Envoy, ${variant.name}: min, median, max`, samples, 'ms')
  }
  await server.stop()
}
