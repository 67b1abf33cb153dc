/** Instances that neither answer nor refuse, and one that says it is not well (F33, F34, F35). */
import { setTimeout as delay } from 'node:timers/promises'
import { blackHole } from './black-hole.ts'
import { type CastOptions, chosenAgain, FLEET, passedOver, startCast } from './cast.ts'
import { describeTimes } from './churn.ts'
import { retryingSlowGets } from './envoy-variants.ts'
import { enter, Host } from './host.ts'
import { type Outcome, scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const ANY = Number.POSITIVE_INFINITY
/** A request fails unanswered after 10 s: what was sent into the hole is known by then. */
const KNOWN_MS = 11_000
/** Of the shipped bootstraps: the connect timeout; the longest time between two health checks. */
const CONNECT_MS = 250
const CHECK_MS = 2200

interface Variant {
  options: CastOptions
  mayFail: number
}

const SHIPPED: Variant = { options: {}, mayFail: ANY }
/** With a limit for each try, and requests that may run twice. */
const TIMED: Variant = { options: { change: retryingSlowGets }, mayFail: 0 }

scenario(
  'F33',
  'one of three vanishes (no RST, SYNs are dropped), as shipped',
  { target: 'nothing fails but what is on its way to it; out ≤ 4 s' },
  stage => vanish(stage, SHIPPED),
)

scenario(
  'F33',
  'one of three vanishes (no RST, SYNs are dropped), per_try_timeout 1 s and retried',
  { target: '0 failed; out ≤ 4 s; request p99 ≤ 1.25 s' },
  stage => vanish(stage, TIMED),
)

async function vanish(stage: Stage, { options, mayFail }: Variant): Promise<Outcome> {
  const { envoy, fleet, load } = await startCast(stage, options)
  const [victim] = fleet
  if (!victim) throw new Error('nobody is there')
  const { p99Ms: usualMs } = await load.report()
  stage.history.record({ kind: 'lost', service: 'myservice', address: victim.address })
  const out = passedOver(envoy, victim.address)
  stage.world.keep(await blackHole(victim))
  const { afterMs, why } = await out
  await delay(KNOWN_MS)
  await stage.inSync(FLEET)
  const { p99Ms } = await load.report()
  const { traffic, failed, broken } = await stage.finish({ mayFail })
  const measured = `${traffic}; out after ${afterMs.toFixed(0)} ms (${why}); request p99 ${p99Ms} ms, before ${usualMs} ms`
  const isQuick = mayFail > 0 || p99Ms <= 1000 + CONNECT_MS
  return { measured, isMet: afterMs <= 4000 && isQuick && failed <= mayFail, broken }
}

scenario(
  'F34',
  'SIGSTOP of one of three for 12 s, 3 times, as shipped',
  { target: 'out ≤ 4 s; back afterwards' },
  stage => hang(stage, SHIPPED),
)

scenario(
  'F34',
  'SIGSTOP of one of three for 12 s, 3 times, per_try_timeout 1 s and retried',
  { target: 'out ≤ 4 s; back afterwards; 0 failed' },
  stage => hang(stage, TIMED),
)

async function hang(stage: Stage, { options, mayFail }: Variant): Promise<Outcome> {
  const { envoy, fleet } = await startCast(stage, options)
  const times: number[] = []
  const reasons = new Set<string>()
  for (const victim of fleet) {
    const stoppedAt = performance.now()
    const out = passedOver(envoy, victim.address)
    stage.history.record({ kind: 'note', what: `${victim.address} stands still` })
    victim.child.signal('SIGSTOP')
    const { afterMs, why } = await out
    times.push(afterMs)
    reasons.add(why)
    await delay(12_000 - (performance.now() - stoppedAt))
    victim.child.signal('SIGCONT')
    await chosenAgain(envoy, victim.address)
  }
  await stage.inSync(FLEET)
  const { traffic, broken } = await stage.finish({ mayFail })
  const out = `out after ${describeTimes(times)} (${[...reasons].join(', ')})`
  return { measured: `${out}; ${traffic}`, isMet: Math.max(...times) <= 4000, broken }
}

scenario(
  'F35',
  "a fourth instance's /healthz answers 503 once, 10 times",
  { target: `out at the next check (≤ ${CHECK_MS} ms); back at the one after; 0 failed` },
  async stage => {
    const { envoy } = await startCast(stage)
    const host = await Host.start(stage)
    await enter(stage, 'fourth', host.port)
    await stage.inSync(FLEET + 1)
    await chosenAgain(envoy, host.address)
    const outMs: number[] = []
    const backMs: number[] = []
    for (let round = 0; round < 10; round++) {
      // Not always at the same moment between two checks.
      await delay(Math.random() * CHECK_MS)
      host.failures = 1
      outMs.push((await passedOver(envoy, host.address)).afterMs)
      const outAt = performance.now()
      await chosenAgain(envoy, host.address)
      backMs.push(performance.now() - outAt)
    }
    await stage.inSync(FLEET + 1)
    const { traffic, broken } = await stage.finish()
    const figures = [`out after ${describeTimes(outMs)}`, `back after ${describeTimes(backMs)}`, traffic]
    return { measured: figures.join('; '), isMet: Math.max(...outMs) <= CHECK_MS + 100, broken }
  },
)
