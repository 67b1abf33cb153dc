/** Kills and restarts of the EDS server under traffic, and what Envoy and its clients saw of them. */
import { setTimeout as delay } from 'node:timers/promises'
import { quantile } from '../../scripts/bench/stats.ts'
import type { HistoryEvent } from '../history/history.ts'
import { watchMembers } from '../world/members.ts'
import type { WorldEnvoy } from '../world/world.ts'
import type { Outcome } from './scenario.ts'
import { REGISTRY_STARTED, type Stage } from './stage.ts'

export interface ChurnOptions {
  cycles: number
  /** Milliseconds from the kill to the next start, the same or drawn for each cycle. Default 0. */
  downMs?: number
  /** Milliseconds that a server lives before it is killed; default: until Envoy is connected and in sync. */
  livesMs?: () => number
  /** Called when the server is down. */
  betweenLives?: (envoy: WorldEnvoy) => void | Promise<void>
  signal?: NodeJS.Signals
  ratePerSecond?: number
  /** Default 3s. */
  leaseTtl?: string
}

export interface ChurnOutcome extends Outcome {
  /** From the start of each server to its being warm, Envoy connected and in sync. */
  recoveredMs: number[]
  /** From each server's listening to the first ACK that it got. */
  firstAckMs: number[]
}

const FLEET = 3
/** So many times are listed, more are summed up. */
const FEW = 5

/** Three upstreams behind an Envoy, a load on it, and so many kills. */
export async function churn(stage: Stage, options: ChurnOptions): Promise<ChurnOutcome> {
  const { cycles, downMs = 0, livesMs, betweenLives, signal = 'SIGKILL', leaseTtl = '3s' } = options
  await stage.startRegistry({ args: ['--lease-ttl', leaseTtl] })
  const envoy = await stage.startEnvoy()
  await stage.startFleet(envoy, FLEET)
  await stage.inSync(FLEET)
  const watch = watchMembers(envoy)
  const load = { ratePerSecond: options.ratePerSecond ?? 500 }
  await stage.startLoad(envoy, load)
  const changes = (): Promise<number> => envoy.admin.stat('cluster.service_backend.membership_change')
  const changesBefore = await changes()
  const recoveredMs: number[] = []
  for (let cycle = 0; cycle < cycles; cycle++) {
    await stage.killRegistry(signal)
    await betweenLives?.(envoy)
    await delay(downMs)
    const startedAt = performance.now()
    await stage.startRegistry()
    const isLast = cycle === cycles - 1
    if (livesMs && !isLast) await delay(livesMs())
    else {
      await stage.inSync(FLEET)
      recoveredMs.push(performance.now() - startedAt)
    }
  }
  const { traffic, broken } = await stage.finish()
  const fewest = await watch.stop()
  const membershipChanges = (await changes()) - changesBefore
  if (fewest < FLEET || membershipChanges > 0) {
    broken.push(`Envoy had ${fewest} of ${FLEET} members, ${membershipChanges} changes of membership`)
  }
  const firstAckMs = timesToFirstAck(stage.history.events)
  const measured = [
    traffic,
    `fewest members ${fewest} of ${FLEET}, ${membershipChanges} membership changes`,
    `first ACK: ${describeTimes(firstAckMs)}; warm and in sync: ${describeTimes(recoveredMs)}`,
  ].join('; ')
  return { measured, broken, recoveredMs, firstAckMs }
}

/** Of each start but the first: how long until Envoy ACKed something. A life that was too short for it has none. */
function timesToFirstAck(history: readonly HistoryEvent[]): number[] {
  const times: number[] = []
  let startedAt: number | undefined
  for (const event of history) {
    if (event.kind === 'note' && event.what.startsWith(REGISTRY_STARTED)) startedAt = event.at
    if (event.kind !== 'acked' || startedAt === undefined) continue
    times.push(event.at - startedAt)
    startedAt = undefined
  }
  return times.slice(1)
}

export function describeTimes(times: readonly number[]): string {
  if (times.length <= FEW) return `${times.map(time => time.toFixed(0)).join(', ')} ms`
  const at = (share: number): string => quantile(times, share).toFixed(0)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}
