/** Instances that are killed, and nobody says so (F32, F32b, F42). */
import { setTimeout as delay } from 'node:timers/promises'
import { instant } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { get } from '../world/front.ts'
import { type CastOptions, FLEET, passedOver, removed, seconds, startCast } from './cast.ts'
import { describeTimes } from './churn.ts'
import { retryingGets, withoutOutlierDetection } from './envoy-variants.ts'
import { type Outcome, scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const IN_FLIGHT = 'failed ≤ in flight'

interface Variant {
  what: string
  target: string
  options: CastOptions
  kills: number
  /** Envoy passes it over by then; milliseconds. */
  mostMs: number
  mayFail?: number
}

const VARIANTS: readonly Variant[] = [
  {
    what: 'SIGKILL of one of three, health checks and outlier detection, 3 times',
    target: `passed over ≤ 4 s; ${IN_FLIGHT}`,
    options: { leaseTtl: '3s' },
    kills: 3,
    mostMs: 4000,
  },
  {
    what: 'SIGKILL of one of three, outlier detection alone, 3 times',
    target: `passed over ≤ 1 s; ${IN_FLIGHT}`,
    options: { leaseTtl: '3s', bootstrap: 'eds-grpc-no-health-checks.yaml' },
    kills: 3,
    mostMs: 1000,
  },
  {
    what: 'SIGKILL of one of three, nobody but the registry notices (default lease, 15 s)',
    target: `passed over ≤ 15 s and a push; ${IN_FLIGHT}`,
    options: { bootstrap: 'eds-grpc-no-health-checks.yaml', change: withoutOutlierDetection },
    kills: 1,
    mostMs: 15_500,
  },
  {
    what: 'SIGKILL of one of three, requests that may run twice are retried, 3 times',
    target: 'passed over ≤ 4 s; 0 failed',
    options: { leaseTtl: '3s', change: retryingGets },
    kills: 3,
    mostMs: 4000,
    mayFail: 0,
  },
]

for (const { what, target, options, kills, mostMs, mayFail } of VARIANTS) {
  scenario('F32', what, { target }, async stage => {
    const { envoy, fleet, load } = await startCast(stage, options)
    const times: number[] = []
    const marks = new Set<string>()
    for (let kill = 0; kill < kills; kill++) {
      const victim = fleet.shift()
      if (!victim) throw new Error('nobody is left to be killed')
      const out = passedOver(envoy, victim.address)
      await stage.killUpstream(victim)
      const { afterMs, why } = await out
      times.push(afterMs)
      marks.add(why)
      await removed(envoy, victim.address)
      fleet.push(await stage.startUpstream())
      await stage.inSync(FLEET)
    }
    const { mostInFlight, errors } = await load.report()
    const { traffic, broken } = await stage.finish({ mayFail: mayFail ?? mostInFlight })
    const reasons = Object.entries(errors).map(([text, count]) => `${count} x ${reasonIn(text)}`)
    const longest = Math.max(...times)
    const out = `passed over after ${longest.toFixed(0)} ms at most (${[...marks].join(', ')})`
    return {
      measured: [out, traffic, ...reasons, `at most ${mostInFlight} in flight`].join('; '),
      isMet: longest <= mostMs,
      broken,
    }
  })
}

/** Envoy's own word in the body of a 503, or all of it. */
function reasonIn(text: string): string {
  return /reset reason: ([\w ]+)/.exec(text)?.[1] ?? text.slice(0, 60)
}

scenario(
  'F32b',
  'SIGKILL of two of three at once (default lease, 15 s), requests that may run twice are retried',
  { target: '0 failed; both removed ≤ 40 s' },
  async stage => {
    const { envoy, fleet } = await startCast(stage, { change: retryingGets })
    const victims = fleet.slice(0, 2)
    const killedAt = instant()
    await Promise.all(victims.map(victim => stage.killUpstream(victim)))
    await Promise.all(victims.map(({ address }) => removed(envoy, address)))
    const tookMs = instant() - killedAt
    await stage.inSync(1)
    const { traffic, broken } = await stage.finish()
    return {
      measured: `${traffic}; both removed after ${seconds(tookMs)}`,
      isMet: tookMs <= 40_000,
      broken,
    }
  },
)

scenario(
  'F42',
  'SIGKILL of all three; one returns after 5 leases of 3 s, 5 times',
  { target: 'the last stays, as UNHEALTHY; 503 of the connection, not of an empty cluster; serves ≤ 1 s' },
  wholeServiceDies,
)

async function wholeServiceDies(stage: Stage): Promise<Outcome> {
  const { envoy, fleet, load } = await startCast(stage, { leaseTtl: '3s', ratePerSecond: 100 })
  const returnedMs: number[] = []
  let fewest = FLEET
  for (let round = 0; round < 5; round++) {
    await Promise.all(fleet.splice(0).map(victim => stage.killUpstream(victim)))
    await delay(15_000)
    const hosts = await envoy.admin.hosts()
    fewest = Math.min(fewest, hosts.filter(({ edsHealth }) => edsHealth === 'UNHEALTHY').length)
    const back = await stage.startUpstream()
    const registeredAt = instant()
    await until('it is served', async () => (await get(envoy.url)).body === back.uuid)
    returnedMs.push(instant() - registeredAt)
    fleet.push(back)
  }
  const report = await load.report()
  const { traffic, broken } = await stage.finish({ mayFail: Number.POSITIVE_INFINITY })
  const empty = Object.keys(report.errors).filter(text => text.includes('no healthy upstream'))
  if (empty.length > 0) broken.push(`Envoy had nobody to ask: ${empty.join(', ')}`)
  if (fewest === 0) broken.push('nobody stayed')
  const kinds = new Set(Object.keys(report.errors).map(reasonIn))
  const figures = [`fewest left ${fewest}, UNHEALTHY`, `"${[...kinds].join('", "')}"`]
  figures.push(`serves after the registration: ${describeTimes(returnedMs)}`, traffic)
  return { measured: figures.join('; '), isMet: Math.max(...returnedMs) <= 1000, broken }
}
