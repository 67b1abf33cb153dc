/** Starts Rollcall and others with the same services and endpoints, runs a job on all, and stops them. */
import type { Job } from './generator.ts'
import { generate } from './generator.ts'
import type { Bench } from './profile.ts'
import {
  type Bare,
  type BenchServer,
  type Cache,
  type ServerOptions,
  startBare,
  startPeer,
  startServer,
} from './servers.ts'

/** Results in the order Rollcall, then `others`. */
export async function sideBySide<Result>(
  { peer }: Bench,
  others: readonly (Cache | Bare)[],
  job: Job,
  options: ServerOptions = {},
): Promise<Result[]> {
  const { services = 1, endpoints } = job
  const servers: BenchServer[] = []
  try {
    const ours = await startServer(options)
    servers.push(ours)
    for (const other of others) {
      const started =
        other === 'linear' || other === 'snapshot'
          ? startPeer(peer.server, other, services, endpoints)
          : startBare(other, endpoints)
      servers.push(await started)
    }
    await generate(peer, [ours], { part: 'register', services, endpoints })
    return await generate<Result>(peer, servers, job)
  } finally {
    await Promise.all(servers.map(server => server.stop()))
  }
}
