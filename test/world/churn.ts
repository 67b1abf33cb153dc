/** Kills and restarts of the EDS server under traffic, and what Envoy and its clients saw of them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadReport } from '../../scripts/processes/load-report.ts'
import type { EdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { moreRequests, uuidsSeen } from './front.ts'
import type { World, WorldEnvoy } from './world.ts'

export interface ChurnOptions {
  cycles: number
  /** Arguments of every server. */
  args: readonly string[]
  /** Called while the server is down. */
  betweenLives?: () => void
  /** Milliseconds that a server lives once Envoy is connected and it is ready; undefined: killed without waiting. */
  downMs?: number
}

export interface ChurnResult {
  report: LoadReport
  /** The smallest number of hosts that Envoy had, looked at each 20 ms. */
  leastMembers: number
  membershipChanges: number
  /** From the start of each server to its being ready, Envoy connected and in sync. */
  recoveredMs: number[]
}

const FLEET = 3

/** Three upstreams behind an Envoy, a load on it, and so many kill -9. */
export async function churn(world: World, options: ChurnOptions): Promise<ChurnResult> {
  const args = [...options.args]
  let registry = await world.startRegistry({ args })
  const { grpcPort, httpPort } = registry
  const envoy = await world.startEnvoy({ registry, bootstrap: 'eds-grpc.yaml' })
  for (let i = 0; i < FLEET; i++) await world.startUpstream({ registry })
  await until('all answer', async () => (await uuidsSeen(envoy.url, 20)).size === FLEET, { withinMs: 20_000 })
  await ready(registry)
  const watch = watchMembers(envoy)
  const load = await world.startLoad({ url: envoy.url, ratePerSecond: 500 })
  const changesBefore = await envoy.admin.stat('cluster.service_backend.membership_change')
  const recoveredMs: number[] = []
  for (let cycle = 0; cycle < options.cycles; cycle++) {
    await registry.child.stop('SIGKILL')
    options.betweenLives?.()
    await delay(options.downMs ?? 0)
    const startedAt = performance.now()
    registry = await world.startRegistry({ args, grpcPort, httpPort })
    await ready(registry)
    await inSync(registry)
    recoveredMs.push(performance.now() - startedAt)
  }
  await moreRequests(load, 500)
  const leastMembers = await watch.stop()
  const membershipChanges =
    (await envoy.admin.stat('cluster.service_backend.membership_change')) - changesBefore
  return { report: await load.stop(), leastMembers, membershipChanges, recoveredMs }
}

export async function ready({ url }: EdsServer): Promise<void> {
  await until('the server is warm', async () => (await fetch(`${url}/readyz`)).status === 200, {
    withinMs: 40_000,
  })
}

export async function inSync({ url }: EdsServer, members: number = FLEET): Promise<void> {
  const look = async (): Promise<boolean> => {
    const { nodes } = (await (await fetch(`${url}/v1/nodes`)).json()) as {
      nodes: { types: { state: string }[] }[]
    }
    const answer = await fetch(`${url}/v1/services/myservice/instances`)
    const { instances = [] } = (await answer.json()) as { instances?: unknown[] }
    const [node] = nodes
    return (
      instances.length === members &&
      node !== undefined &&
      node.types.every(({ state }) => state === 'SYNCED')
    )
  }
  await until('Envoy has every instance', look, { withinMs: 40_000 })
}

export function watchMembers(envoy: WorldEnvoy): { stop(): Promise<number> } {
  let least = Number.POSITIVE_INFINITY
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      least = Math.min(least, (await envoy.admin.hosts()).length)
      await delay(20)
    }
  })()
  return {
    async stop() {
      isOver = true
      await watching
      return least
    },
  }
}

export function describeTimes(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}
