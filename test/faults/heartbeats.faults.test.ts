/** Heartbeats that do not arrive, for one reason or another: nobody who lives is removed (F06, F28). */
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../scripts/processes/until.ts'
import type { HistoryEvent } from '../history/history.ts'
import { watchMembers } from '../world/members.ts'
import type { WorldEnvoy } from '../world/world.ts'
import { Herd, startAddresses } from './herd.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const COUNT = 100
const TTL_MS = 3000

interface Cast {
  herd: Herd
  addresses: string[]
  envoy: WorldEnvoy
}

/** 100 instances that beat, an Envoy that has them all, and traffic. */
async function cast(stage: Stage): Promise<Cast> {
  const { url } = await stage.startRegistry({ args: ['--lease-ttl', `${TTL_MS}ms`] })
  const envoy = await stage.startEnvoy()
  const addresses = await startAddresses(stage.world, COUNT)
  const herd = stage.world.keep(new Herd({ url, addresses, ttlMs: TTL_MS, history: stage.history }))
  await herd.register()
  herd.beat()
  await until('Envoy has them all', async () => (await envoy.admin.hosts()).length === COUNT)
  await stage.inSync(COUNT)
  await stage.startLoad(envoy)
  return { herd, addresses, envoy }
}

/** How often somebody was told as UNHEALTHY. */
function timesMarked(history: readonly HistoryEvent[]): number {
  return history.filter(
    event => event.kind === 'sent' && event.endpoints?.some(({ health }) => health !== 'HEALTHY'),
  ).length
}

scenario(
  'F06',
  'the heartbeats of all 100 instances are cut for 20 leases',
  { target: '0 removed, 0 marked UNHEALTHY, 0 failed' },
  async stage => {
    const { herd, envoy } = await cast(stage)
    const watch = watchMembers(envoy)
    herd.silence()
    await delay(20 * TTL_MS)
    const removed = COUNT - (await watch.stop())
    const marked = timesMarked(stage.history.events)
    herd.wake()
    const thawed = performance.now()
    await until('the freeze ends', async () => {
      const { frozen } = (await stage.ask('/v1/self-preservation')) as { frozen: boolean }
      return !frozen
    })
    const freezeMs = performance.now() - thawed
    await stage.inSync(COUNT)
    const { traffic, broken } = await stage.finish()
    if (removed + marked > 0) broken.push(`${removed} were removed and ${marked} marked`)
    const figures = [`${removed} removed, ${marked} marked`, traffic]
    return {
      measured: `${figures.join('; ')}; freeze over ${freezeMs.toFixed(0)} ms after the return`,
      broken,
    }
  },
)

scenario(
  'F06',
  'the heartbeats of 14 of 100 instances are cut, and of 10 more when those are gone',
  { target: '≤ 15 removed in 60 s, none of the others, 0 failed' },
  async stage => {
    const { herd, addresses, envoy } = await cast(stage)
    const seconds: string[] = []
    for (const [from, to] of [
      [0, 14],
      [14, 24],
    ] as const) {
      const cut = addresses.slice(from, to)
      const cutAt = performance.now()
      for (const address of cut) stage.history.record({ kind: 'lost', service: 'myservice', address })
      herd.silence(cut)
      const areGone = async (): Promise<boolean> => (await envoy.admin.hosts()).length === COUNT - to
      await until(`${to} are gone`, areGone, { withinMs: 150_000 })
      seconds.push(`${((performance.now() - cutAt) / 1000).toFixed(1)} s`)
    }
    await delay(2 * TTL_MS)
    await stage.inSync(COUNT - 24)
    const expired = stage.history.events.flatMap(event =>
      event.kind === 'announced' && event.event === 'expired' ? [event.at] : [],
    )
    const most = Math.max(
      ...expired.map(at => expired.filter(other => other >= at && other < at + 60_000).length),
    )
    const { traffic, broken } = await stage.finish()
    if (most > 15) broken.push(`${most} were removed within 60 s`)
    const measured = `${expired.length} removed, at most ${most} in 60 s; gone ${seconds.join(' and ')} after the cuts; ${traffic}`
    return { measured, broken }
  },
)

scenario(
  'F28',
  'killed, down for 5 leases, then no heartbeat for 5 more: all it knows is old',
  { target: '0 removed, 0 empty pushes, 0 failed' },
  async stage => {
    const { herd, envoy } = await cast(stage)
    const watch = watchMembers(envoy)
    herd.silence()
    await stage.killRegistry()
    await delay(5 * TTL_MS)
    await stage.startRegistry()
    await delay(5 * TTL_MS)
    const removed = COUNT - (await watch.stop())
    herd.wake()
    await stage.inSync(COUNT)
    const { traffic, broken } = await stage.finish()
    if (removed > 0) broken.push(`${removed} were removed`)
    const marked = timesMarked(stage.history.events)
    return {
      measured: `${removed} removed, ${marked} pushes with UNHEALTHY; ${traffic}`,
      broken,
    }
  },
)
