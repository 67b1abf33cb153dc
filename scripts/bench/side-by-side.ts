/** Starts Rollcall and the peers with the same services and endpoints, runs a job on all, and stops them. */
import type { Job } from './generator.ts'
import { generate } from './generator.ts'
import type { Bench } from './profile.ts'
import { type BenchServer, startPeer, startServer } from './servers.ts'

export type Cache = 'linear' | 'snapshot'

/** Results in the order Rollcall, then `caches`. */
export async function sideBySide<Result>(
  { peer }: Bench,
  caches: readonly Cache[],
  job: Job,
): Promise<Result[]> {
  const { services = 1, endpoints } = job
  const servers: BenchServer[] = []
  try {
    const ours = await startServer()
    servers.push(ours)
    for (const cache of caches) servers.push(await startPeer(peer.server, cache, services, endpoints))
    await generate(peer, [ours], { part: 'register', services, endpoints })
    return await generate<Result>(peer, servers, job)
  } finally {
    await Promise.all(servers.map(server => server.stop()))
  }
}
