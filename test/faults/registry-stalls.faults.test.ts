/** The EDS server is there and does not answer, or its clock lies (F07 to F10). */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { instant } from '../../scripts/processes/load-report.ts'
import { until } from '../../scripts/processes/until.ts'
import { isConnected, watchMembers } from '../world/members.ts'
import { FLEET, startCast } from './cast.ts'
import { evaluate, INSPECTABLE } from './inspector.ts'
import { type Outcome, scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const RATE = { ratePerSecond: 500 }
const WAIT = { withinMs: 60_000, everyMs: 20 }

/** The end of a scenario in which nobody may be removed or marked. */
async function unharmed(stage: Stage, fewest: number, figures: readonly string[]): Promise<Outcome> {
  await stage.inSync(FLEET)
  const { traffic, broken } = await stage.finish()
  const marked = stage.history.events.filter(
    event => event.kind === 'sent' && event.endpoints?.some(({ health }) => health === 'UNHEALTHY'),
  ).length
  if (fewest < FLEET || marked > 0)
    broken.push(`${fewest} of ${FLEET} members, ${marked} pushes with UNHEALTHY`)
  const measured = [...figures, `${FLEET - fewest} removed, ${marked} marked`, traffic]
  return { measured: measured.join('; '), broken }
}

scenario(
  'F07',
  'the wire between Envoy and the server is cut without a word',
  { target: 'noticed ≤ 35 s; a change of meanwhile ≤ 1 s after the reconnect; 0 failed' },
  async stage => {
    const { envoy } = await startCast(stage, RATE)
    const watch = watchMembers(envoy)
    const cutAt = instant()
    stage.witness.cut()
    stage.history.record({ kind: 'note', what: 'cut' })
    await until('Envoy notices', async () => !(await isConnected(envoy)), WAIT)
    const noticedMs = instant() - cutAt
    await stage.startUpstream()
    const healedAt = instant()
    stage.witness.heal()
    const members = FLEET + 1
    const acked = (): number | undefined =>
      stage.history.events.find(event => event.kind === 'acked' && event.at > healedAt)?.at
    await until('Envoy has the fourth', async () => (await envoy.admin.hosts()).length === members, WAIT)
    const caughtUpMs = instant() - healedAt
    const ackMs = (acked() ?? Number.NaN) - healedAt
    await stage.inSync(members)
    const fewest = await watch.stop()
    const { traffic, broken } = await stage.finish()
    if (fewest < FLEET) broken.push(`${fewest} of ${FLEET} members`)
    const measured = `noticed after ${(noticedMs / 1000).toFixed(1)} s; first ACK ${ackMs.toFixed(0)} ms and the change ${caughtUpMs.toFixed(0)} ms after the heal; ${traffic}`
    return { measured, isMet: noticedMs <= 35_000 && caughtUpMs - ackMs <= 1000, broken }
  },
)

scenario(
  'F07',
  'the server is stopped (SIGSTOP) until Envoy notices',
  { target: 'noticed ≤ 35 s; connected ≤ 5 s after SIGCONT; 0 removed, 0 failed' },
  async stage => {
    const { envoy } = await startCast(stage, RATE)
    const watch = watchMembers(envoy)
    const stoppedAt = performance.now()
    stage.registry.child.signal('SIGSTOP')
    await until('Envoy notices', async () => !(await isConnected(envoy)), WAIT)
    const noticedMs = performance.now() - stoppedAt
    stage.registry.child.signal('SIGCONT')
    const resumedAt = performance.now()
    await until('Envoy is connected', () => isConnected(envoy), WAIT)
    const connectedMs = performance.now() - resumedAt
    const figures = [
      `noticed after ${(noticedMs / 1000).toFixed(1)} s`,
      `connected after ${connectedMs.toFixed(0)} ms`,
    ]
    const outcome = await unharmed(stage, await watch.stop(), figures)
    return { ...outcome, isMet: noticedMs <= 35_000 && connectedMs <= 5000 }
  },
)

scenario(
  'F08',
  'the server stands still (SIGSTOP) for 60 s, 20 leases',
  { target: '0 removed, 0 marked, 0 failed' },
  async stage => {
    const { envoy } = await startCast(stage, { ...RATE, leaseTtl: '3s' })
    const watch = watchMembers(envoy)
    stage.registry.child.signal('SIGSTOP')
    await delay(60_000)
    stage.registry.child.signal('SIGCONT')
    await delay(9000)
    return await unharmed(stage, await watch.stop(), [])
  },
)

scenario(
  'F09',
  "the server's event loop is blocked for 5 s, 5 leases",
  { target: '0 removed, 0 marked, 0 failed; answers ≤ 2 s afterwards' },
  async stage => {
    const { envoy } = await startCast(stage, { ...RATE, leaseTtl: '1s', env: INSPECTABLE })
    const watch = watchMembers(envoy)
    const startedAt = performance.now()
    await evaluate(stage.registry.child, 'for (const end = Date.now() + 5000; Date.now() < end; );')
    const blockedMs = performance.now() - startedAt
    const freedAt = performance.now()
    await stage.inSync(FLEET)
    const answerMs = performance.now() - freedAt
    await delay(3000)
    const figures = [`blocked ${blockedMs.toFixed(0)} ms`, `in sync ${answerMs.toFixed(0)} ms afterwards`]
    const outcome = await unharmed(stage, await watch.stop(), figures)
    return { ...outcome, isMet: answerMs <= 2000 }
  },
)

const HEAP_MIB = 256
/** Fills the heap with live objects up to a share of its limit; V8's own figure counts the young generation too. */
const FILL = `(() => {
  const { getHeapStatistics } = process.getBuiltinModule('v8')
  const share = () => getHeapStatistics().used_heap_size / (${HEAP_MIB} * 2 ** 20)
  for (globalThis.ballast = []; share() < 0.9; ) ballast.push(Array.from({ length: 5000 }, (_, i) => ({ i })))
})()`

scenario(
  'F09',
  'the heap is filled to 90 % of its limit of 256 MiB for 10 s, 10 leases',
  { target: '0 removed, 0 marked, 0 failed; answers ≤ 2 s' },
  async stage => {
    const options = `${INSPECTABLE.NODE_OPTIONS} --max-old-space-size=${HEAP_MIB}`
    const env = { NODE_OPTIONS: options }
    const { envoy } = await startCast(stage, { ...RATE, leaseTtl: '1s', env })
    const watch = watchMembers(envoy)
    await evaluate(stage.registry.child, FILL)
    const answers: number[] = []
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      const askedAt = performance.now()
      await stage.addresses()
      answers.push(performance.now() - askedAt)
      await delay(50)
    }
    await evaluate(stage.registry.child, 'globalThis.ballast = undefined')
    const slowestMs = Math.max(...answers)
    const figures = [`slowest of ${answers.length} answers ${slowestMs.toFixed(0)} ms`]
    const outcome = await unharmed(stage, await watch.stop(), figures)
    return { ...outcome, isMet: slowestMs <= 2000 }
  },
)

/** Where the packages of the distributions put it. */
function fakeTimeLibrary(): string {
  const found = readdirSync('/usr/lib')
    .map(folder => join('/usr/lib', folder, 'faketime', 'libfaketime.so.1'))
    .find(existsSync)
  if (found === undefined) throw new Error('no libfaketime: apt-get install faketime')
  return found
}

scenario(
  'F10',
  'the wall clock jumps an hour ahead and two hours back',
  { target: '0 removed, 0 marked, 0 failed; a killed instance still expires' },
  async stage => {
    const clock = join(stage.world.folder, 'clock')
    writeFileSync(clock, '+0')
    const env = {
      LD_PRELOAD: fakeTimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    const { envoy, fleet } = await startCast(stage, { ...RATE, leaseTtl: '3s', env })
    const watch = watchMembers(envoy)
    const jumps: string[] = []
    for (const offset of ['+3600', '-3600', '+0']) {
      const before = await hoursAhead(stage)
      writeFileSync(clock, offset)
      stage.history.record({ kind: 'note', what: `wall clock ${offset} s` })
      const jumped = async (): Promise<boolean> => (await hoursAhead(stage)) !== before
      await until('the server sees another time', jumped)
      jumps.push(`${await hoursAhead(stage)} h`)
      await delay(9000)
    }
    const fewest = await watch.stop()
    const { measured, broken } = await unharmed(stage, fewest, [`the server saw ${jumps.join(', ')}`])
    const [victim] = fleet
    if (victim) await stage.killUpstream(victim)
    const killedAt = performance.now()
    await until('it is removed', async () => (await envoy.admin.hosts()).length === FLEET - 1, WAIT)
    const expirySeconds = ((performance.now() - killedAt) / 1000).toFixed(1)
    return { measured: `${measured}; a killed one is removed after ${expirySeconds} s (lease 3 s)`, broken }
  },
)

/** The server's wall clock against ours, in whole hours. */
async function hoursAhead({ registry }: Stage): Promise<number> {
  const { headers } = await fetch(`${registry.url}/healthz`)
  return Math.round((Date.parse(headers.get('date') ?? '') - Date.now()) / 3_600_000)
}
