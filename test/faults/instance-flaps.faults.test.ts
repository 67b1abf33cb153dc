/** An instance that comes and goes all the time (F39). */
import { setTimeout as delay } from 'node:timers/promises'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { quantile } from '../../scripts/bench/stats.ts'
import { until } from '../../scripts/processes/until.ts'
import { RawClient } from '../conformance/raw-client.ts'
import { FLEET, pushes, startCast } from './cast.ts'
import { describeTimes } from './churn.ts'
import { call, enter, Host, leave } from './host.ts'
import { openLoop } from './open-loop.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const FLAP_HZ = 20
const SECONDS = 20
const QUIET = 'quiet'

/** From a change of another service, ten a second, until its subscriber has it; milliseconds, of each. */
async function changesOfAnother(stage: Stage): Promise<number[]> {
  await changeAnother(stage, 1000)
  using client = new RawClient(stage.registry.grpcPort)
  const stream = client.stream({ protocol: 'sotw', aggregated: false }, ENDPOINT, 'reader-of-another')
  stream.subscribe([QUIET])
  stream.ack(await stream.next())
  const times: number[] = []
  for (let change = 0; change < 10 * SECONDS; change++) {
    const askedAt = performance.now()
    const answered = changeAnother(stage, 1 + change)
    stream.ack(await stream.next())
    times.push(performance.now() - askedAt)
    await answered
    await delay(Math.max(0, 100 - (performance.now() - askedAt)))
  }
  stream.call.cancel()
  return times
}

async function changeAnother(stage: Stage, weight: number): Promise<void> {
  const body = { address: '127.0.0.1', port: 20_000, weight, ttlMs: 600_000 }
  const key = { secret: 'Q'.repeat(43) }
  await call(stage, { method: 'PUT', instanceId: 'one', key, body }, QUIET)
}

scenario(
  'F39',
  'a fourth instance registers and deregisters 20 times a second, for 20 s',
  { target: '≤ 2 pushes/s; changes of another service as fast as before (p99 + 10 ms); 0 failed' },
  async stage => {
    const { envoy } = await startCast(stage)
    const host = await Host.start(stage)
    const before = await changesOfAnother(stage)
    const subject = { service: 'myservice', address: host.address }
    stage.history.record({ kind: 'registered', ...subject })
    // From now on, until it stays: it may be told and not told at any moment.
    stage.history.record({ kind: 'leaving', ...subject })
    const body = { address: '127.0.0.1', port: host.port, ttlMs: 600_000 }
    const already = pushes(stage)
    let flaps = 0
    const flapping = openLoop(FLAP_HZ, async () => {
      const id = `flap-${flaps++}`
      const { leaseSecret = '', incarnation } = await call(stage, { method: 'PUT', instanceId: id, body })
      await delay(500 / FLAP_HZ)
      await call(stage, { method: 'DELETE', instanceId: id, key: { secret: leaseSecret, incarnation } })
    })
    const during = await changesOfAnother(stage)
    await flapping.stop()
    const perSecond = (pushes(stage) - already) / SECONDS
    await until('it is gone', async () => (await envoy.admin.hosts()).length === FLEET)
    await stage.inSync(FLEET)
    const last = await enter(stage, 'last', host.port)
    await leave(stage, 'last', host.port, last)
    await stage.inSync(FLEET)
    const { traffic, broken } = await stage.finish()
    const [was, is] = [quantile(before, 0.99), quantile(during, 0.99)]
    const figures = [`${flaps} flaps, ${perSecond.toFixed(1)} pushes/s`]
    figures.push(`another service ${describeTimes(during)}, before ${describeTimes(before)}`, traffic)
    if (flapping.failed > 0) broken.push(`${flapping.failed} flaps were refused`)
    return { measured: figures.join('; '), isMet: perSecond <= 2 && is <= was + 10, broken }
  },
)
