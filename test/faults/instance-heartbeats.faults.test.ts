/** Instances whose registry is hard to reach, slow or away (F41, F44, F45). */
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, type Registration, register } from '@rollcall/sdk'
import { logged, startUpstream, type Upstream } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { get } from '../world/front.ts'
import { watchMembers } from '../world/members.ts'
import { freePort } from '../world/world.ts'
import { BadLine } from './bad-line.ts'
import { FLEET, SERVICE, startCast } from './cast.ts'
import { describeTimes } from './churn.ts'
import { startAddresses } from './herd.ts'
import { evaluate, INSPECTABLE } from './inspector.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const HOUR = 3_600_000
const COUNT = 60
/** Every lost heartbeat is a warning. */
const SILENT: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

function announced(stage: Stage, name: string): number {
  return stage.history.events.filter(event => event.kind === 'announced' && event.event === name).length
}

scenario(
  'F41',
  '30 % of the requests of 60 instances are lost and RTT is 500 ms, 10 minutes (10 instance hours, lease 15 s)',
  { target: '0 removed, 0 failed', withinMs: HOUR },
  async stage => {
    const { url } = await stage.startRegistry({ args: ['--lease-ttl', '15s'] })
    const line = stage.world.keep(await BadLine.to(url))
    const addresses = await startAddresses(stage.world, COUNT)
    const envoy = await stage.startEnvoy()
    const registrations: Registration[] = []
    for (const address of addresses) {
      stage.history.record({ kind: 'registered', service: SERVICE, address })
      const port = Number(address.split(':')[1])
      const where = { registry: line.url, address: '127.0.0.1', port }
      registrations.push(await register({ service: SERVICE, ...where, logger: SILENT }))
    }
    await stage.inSync(COUNT)
    const watch = watchMembers(envoy)
    await stage.startLoad(envoy, { ratePerSecond: 100 })
    line.quality = { loss: 0.3, delayMs: 250 }
    const startedAt = line.requests
    await delay(600_000)
    line.quality = {}
    const removed = COUNT - (await watch.stop())
    const [lapsed, expired] = [announced(stage, 'lapsed'), announced(stage, 'expired')]
    // A freeze would remove nobody either.
    const freezes = stage.registry.child.lines.filter(text => text.includes('expiry is frozen')).length
    await stage.inSync(COUNT)
    const { traffic, broken } = await stage.finish()
    const lost = `${line.lost} of ${line.requests - startedAt} requests lost`
    const marked = `${lapsed} times marked UNHEALTHY for a while, ${freezes} freezes`
    if (expired + removed > 0) broken.push(`${expired} expired, ${removed} removed`)
    await Promise.all(registrations.map(registration => registration.close()))
    return { measured: `${removed} removed; ${lost}; ${marked}; ${traffic}`, broken }
  },
)

scenario(
  'F44',
  'a service starts while the registry is down for 10 s, 5 times',
  {
    target:
      'starts as fast as otherwise, serves, registered ≤ 5 s (an interval) after the start of the registry',
  },
  async stage => {
    const { envoy } = await startCast(stage)
    const usualMs: number[] = []
    const startMs: number[] = []
    const registeredMs: number[] = []
    for (let round = 0; round < 5; round++) {
      const usual = await timedStart(stage, usualMs)
      await usual.child.line('its registered line', logged('registered'))
      await stage.stopUpstream(usual)
      await stage.killRegistry()
      const early = await timedStart(stage, startMs)
      if ((await get(`http://${early.address}/`)).body !== early.uuid) throw new Error('it does not serve')
      await delay(10_000)
      await stage.startRegistry()
      const upAt = performance.now()
      await early.child.line('its registered line', logged('registered'))
      registeredMs.push(performance.now() - upAt)
      await until('it is served', async () => (await get(envoy.url)).body === early.uuid)
      await stage.inSync(FLEET + 1)
      await stage.stopUpstream(early)
    }
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const figures = [`start ${describeTimes(startMs)} (registry up: ${describeTimes(usualMs)})`]
    figures.push(`registered after ${describeTimes(registeredMs)}`, traffic)
    return { measured: figures.join('; '), isMet: Math.max(...registeredMs) <= 5000, broken }
  },
)

/** An upstream as soon as it listens; how long that took is added. */
async function timedStart(stage: Stage, times: number[]): Promise<Upstream> {
  const port = await freePort()
  stage.history.record({ kind: 'registered', service: SERVICE, address: `127.0.0.1:${port}` })
  const startedAt = performance.now()
  const name = `timed-${port}`
  const upstream = await startUpstream({ name, port, registry: stage.registry.url, unregistered: true })
  times.push(performance.now() - startedAt)
  stage.world.adopt(upstream.child)
  return upstream
}

/** Prints, when it is run a second time, what the event loop's delay was since the first. */
const MEASURE_LAG = `(async () => {
  const { monitorEventLoopDelay } = process.getBuiltinModule('node:perf_hooks')
  if (!globalThis.lag) {
    globalThis.lag = monitorEventLoopDelay({ resolution: 1 })
    globalThis.lag.enable()
    return
  }
  const [p99, most] = [globalThis.lag.percentile(99), globalThis.lag.max].map(ns => ns / 1e6)
  console.log(JSON.stringify({ msg: 'lag', p99, most }))
})()`

scenario(
  'F45',
  'the registry answers a fourth instance 10 s late, for 60 s',
  {
    target:
      '≤ 1 heartbeat in flight, ended ≤ 5 s (an interval); event loop lag p99 < 10 ms; 0 marked, 0 failed',
  },
  async stage => {
    await startCast(stage)
    const line = stage.world.keep(await BadLine.to(stage.registry.url))
    const port = await freePort()
    stage.history.record({ kind: 'registered', service: SERVICE, address: `127.0.0.1:${port}` })
    const { child } = await stage.world.startUpstream({ registry: line, port, env: INSPECTABLE })
    await stage.inSync(FLEET + 1)
    line.mostInFlight = 0
    const before = line.requests
    line.quality = { answerDelayMs: 10_000 }
    await evaluate(child, MEASURE_LAG)
    await delay(60_000)
    await evaluate(child, MEASURE_LAG)
    const lag = await child.line('its lag', logged('lag'))
    const waited = [...line.waitedMs.slice(before)]
    const [most, beats] = [line.mostInFlight, line.requests - before]
    line.quality = {}
    await stage.inSync(FLEET + 1)
    const { traffic, broken } = await stage.finish()
    if (most > 1) broken.push(`${most} heartbeats were in flight`)
    const marked = announced(stage, 'lapsed') + announced(stage, 'expired')
    if (marked > 0) broken.push(`${marked} times marked or removed`)
    const [p99, longest] = [Number(lag.p99), Number(lag.most)]
    const loop = `event loop lag p99 ${p99.toFixed(1)} ms, longest ${longest.toFixed(1)} ms`
    const figures = [`${most} in flight of ${beats} heartbeats, each given up after ${describeTimes(waited)}`]
    figures.push(loop, `${marked} marked`, traffic)
    return { measured: figures.join('; '), isMet: Math.max(...waited) <= 5200 && p99 < 10, broken }
  },
)
