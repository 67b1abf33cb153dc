/** Many at once, and clients that misbehave (F11 to F14): the others notice nothing. */
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { quantile } from '../../scripts/bench/stats.ts'
import { until } from '../../scripts/processes/until.ts'
import { openPaused } from '../conformance/paused-client.ts'
import { RawClient } from '../conformance/raw-client.ts'
import { watchMembers } from '../world/members.ts'
import { FLEET, startCast } from './cast.ts'
import { Crowd } from './crowd.ts'
import { Herd, unservedAddresses } from './herd.ts'
import { residentMemory } from './memory.ts'
import { openLoop } from './open-loop.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const LONG = { withinMs: 120_000, everyMs: 100 }
const ms = (value: number): string => `${value.toFixed(0)} ms`

/** Changes an endpoint of a service, another weight each time; resolves when that is answered. */
function changes(url: string, service: string, instances: number): () => Promise<void> {
  const pool = new Pool(url, { connections: 32 })
  const leaseSecret = 'C'.repeat(43)
  let count = 0
  return async () => {
    count += 1
    const index = count % instances
    const { statusCode, body } = await pool.request({
      path: `/v1/services/${service}/instances/c${index}`,
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'rollcall-lease-secret': leaseSecret },
      body: JSON.stringify({
        address: `127.9.${index >> 8}.${index & 255}`,
        port: 8000,
        weight: 1 + (count % 60_000),
        ttlMs: 3_600_000,
      }),
    })
    await body.dump()
    if (statusCode > 201) throw new Error(`a change is refused: ${statusCode}`)
  }
}

function expirations(stage: Stage): number {
  return stage.history.events.filter(event => event.kind === 'announced' && event.event === 'expired').length
}

scenario(
  'F11',
  '10,000 aggregated streams reconnect after a restart',
  {
    target: 'in sync ≤ 60 s; RSS peak ≤ 2 x steady; heartbeats p99 < 250 ms; 0 expired, 0 failed',
    withinMs: 320_000,
  },
  async stage => {
    const streams = 10_000
    await stage.startRegistry({ args: ['--lease-ttl', '15s'] })
    const envoy = await stage.startEnvoy()
    await stage.startFleet(envoy, FLEET)
    const crowd = stage.world.keep(new Crowd(stage.registry.grpcPort, streams, 'myservice'))
    const complete = async (): Promise<boolean> => (await crowd.progress()).inSync === streams
    await until('the crowd is in sync', complete, LONG)
    await delay(10_000)
    const steady = residentMemory(stage.registry.child.pid).now
    await stage.startLoad(envoy, { ratePerSecond: 200 })
    const { url } = stage.registry
    const herd = stage.world.keep(
      new Herd({ url, addresses: unservedAddresses(1000), ttlMs: 15_000, service: 'herd' }),
    )
    await herd.register()
    herd.beat()
    await stage.killRegistry()
    await stage.startRegistry()
    const startedAt = performance.now()
    const beats = openLoop(100, () => herd.beatOnce())
    await until('the crowd is in sync again', complete, LONG)
    const inSyncMs = performance.now() - startedAt
    await beats.stop()
    const { peak } = residentMemory(stage.registry.child.pid)
    await stage.inSync(FLEET, streams + 1)
    const { traffic, broken } = await stage.finish()
    const expired = expirations(stage)
    const p99 = quantile(beats.doneMs, 0.99)
    if (expired > 0) broken.push(`${expired} leases ran out`)
    const measured = `in sync after ${(inSyncMs / 1000).toFixed(1)} s; RSS ${steady.toFixed(0)} MiB, peak ${peak.toFixed(0)}; ${beats.doneMs.length} heartbeats p99 ${ms(p99)}; ${expired} expired; ${traffic}`
    return { measured, isMet: inSyncMs <= 60_000 && peak <= 2 * steady && p99 < 250, broken }
  },
)

scenario(
  'F12',
  '10,000 instances register again at once after the store is lost',
  { target: 'all registered ≤ 10 s; 0 lost, 0 failed' },
  async stage => {
    const { envoy } = await startCast(stage, { ratePerSecond: 500 })
    const watch = watchMembers(envoy)
    const count = 10_000
    const { url } = stage.registry
    const addresses = unservedAddresses(count)
    const herd = stage.world.keep(
      new Herd({ url, addresses, ttlMs: 60_000, service: 'herd', connections: 512 }),
    )
    await herd.register()
    await stage.killRegistry()
    rmSync(stage.dataDir, { recursive: true })
    await stage.startRegistry()
    const startedAt = performance.now()
    await herd.register()
    const registeredMs = performance.now() - startedAt
    const has = (await stage.addresses('herd')).length
    await stage.inSync(FLEET)
    const fewest = await watch.stop()
    const { traffic, broken } = await stage.finish()
    if (has < count || fewest < FLEET)
      broken.push(`${has} of ${count} registered, ${fewest} of ${FLEET} members`)
    const measured = `${has} of ${count} after ${(registeredMs / 1000).toFixed(1)} s; ${traffic}`
    return { measured, isMet: registeredMs <= 10_000, broken }
  },
)

scenario(
  'F13',
  '10 clients stop reading while 1,000 changes a second go on for 40 s',
  { target: "RSS growth ≤ 24 MiB x clients; others' push p99 < 10 % longer; closed after 30 s; 0 failed" },
  async stage => {
    await startCast(stage, { ratePerSecond: 200 })
    const { url, grpcPort, child } = stage.registry
    // Large enough that a client's window of 64 KiB is full before the first response is.
    const big = changes(url, 'big', 3000)
    for (let i = 0; i < 3000; i++) await big()
    using client = new RawClient(grpcPort)
    const stream = client.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, 'reader')
    const probe = changes(url, 'probe', 1)
    await probe()
    stream.subscribe(['probe'])
    stream.ack(await stream.next())
    const pushes = async (): Promise<number[]> => {
      const times: number[] = []
      for (const end = performance.now() + 20_000; performance.now() < end; ) {
        const sentAt = performance.now()
        const [response] = await Promise.all([stream.next(), probe()])
        times.push(performance.now() - sentAt)
        stream.ack(response)
        await delay(20)
      }
      return times
    }
    const flood = openLoop(1000, big)
    const alone = await pushes()
    const before = residentMemory(child.pid).now
    const paused = Array.from({ length: 10 }, () => openPaused(grpcPort, 'big'))
    const stalledAt = performance.now()
    const beside = await pushes()
    const grown = residentMemory(child.pid).now - before
    await Promise.all(paused.map(({ closed }) => closed))
    const closedSeconds = (performance.now() - stalledAt) / 1000
    await flood.stop()
    for (const { session } of paused) session.destroy()
    stream.call.cancel()
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const [p99Alone, p99Beside] = [quantile(alone, 0.99), quantile(beside, 0.99)]
    const rate = Math.round((flood.doneMs.length + flood.failed) / (closedSeconds + 20))
    const measured = `RSS +${grown.toFixed(0)} MiB for 10; push p99 ${ms(p99Alone)} alone, ${ms(p99Beside)} beside (${alone.length}, ${beside.length} pushes); closed after ${closedSeconds.toFixed(1)} s; ${rate} changes/s, ${flood.failed} refused; ${traffic}`
    return { measured, isMet: grown <= 240 && p99Beside <= 1.1 * p99Alone && closedSeconds < 35, broken }
  },
)

scenario(
  'F14',
  'a client reads and never ACKs during 100 changes a second for 60 s',
  { target: '≤ 1 response in 30 s; shown as STALE; 0 failed' },
  async stage => {
    await startCast(stage, { ratePerSecond: 500 })
    using client = new RawClient(stage.registry.grpcPort)
    const stream = client.stream({ protocol: 'sotw', aggregated: true }, ENDPOINT, 'mute')
    const change = changes(stage.registry.url, 'busy', 10)
    await change()
    stream.subscribe(['busy'])
    await stream.next()
    const busy = openLoop(100, change)
    await delay(60_000)
    await busy.stop()
    const more = stream.pending
    const { nodes } = (await stage.ask('/v1/nodes')) as {
      nodes: { node: string; types: { state: string }[] }[]
    }
    const states = nodes.find(({ node }) => node === 'mute')?.types.map(({ state }) => state) ?? []
    stream.call.cancel()
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const measured = `${1 + more} responses in 60 s of ${busy.doneMs.length} changes; shown as ${states.join(', ')}; ${traffic}`
    return { measured, isMet: more <= 2 && states.includes('STALE'), broken }
  },
)
