/** Who an instance is, and who only says so (F36, F37, F38, F40). */
import { FLEET, pushes, SERVICE, startCast } from './cast.ts'
import { call, enter, Host, type Key, leave } from './host.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

const TIMES = 1000
const INSTANCES = FLEET + 1
const ID = 'the-same'
const secretOf = (letter: string): string => letter.repeat(43)

interface Before {
  readonly pushes: number
  readonly instances: unknown
}

/** Three upstreams and a fourth instance in the test's hands, and how it is before anything happens. */
async function fourth(stage: Stage): Promise<{ host: Host; key: Key; before: Before }> {
  await startCast(stage)
  const host = await Host.start(stage)
  const key = await enter(stage, ID, host.port, secretOf('A'))
  await stage.inSync(INSTANCES)
  return { host, key, before: { pushes: pushes(stage), instances: await instances(stage) } }
}

async function instances(stage: Stage): Promise<unknown> {
  return await stage.ask(`/v1/services/${SERVICE}/instances/${ID}`)
}

/** What changed since, if anything. */
async function changes(stage: Stage, before: Before): Promise<string[]> {
  await stage.inSync(INSTANCES)
  const more = pushes(stage) - before.pushes
  const [was, is] = [before.instances, await instances(stage)].map(view => JSON.stringify(view))
  const texts = more === 0 ? [] : [`${more} pushes`]
  return was === is ? texts : [...texts, `${was} became ${is}`]
}

/** `1,000 x 409 ROLLCALL_INSTANCE_CONFLICT` */
class Tally {
  readonly #counts = new Map<string, number>()

  add({ status, code = '' }: { status: number; code?: string }): void {
    const text = `${status} ${code}`.trim()
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1)
  }

  /** Whether there was nothing but these. */
  isOnly(...texts: string[]): boolean {
    return [...this.#counts.keys()].every(text => texts.includes(text))
  }

  toString(): string {
    return [...this.#counts].map(([text, count]) => `${count.toLocaleString('en-US')} x ${text}`).join(', ')
  }
}

scenario(
  'F36',
  'the same registration 1,000 times',
  { target: '1 endpoint, same incarnation, 0 pushes, 0 failed' },
  async stage => {
    const { host, key, before } = await fourth(stage)
    const tally = new Tally()
    const body = { address: '127.0.0.1', port: host.port, ttlMs: 600_000 }
    for (let time = 0; time < TIMES; time++) {
      const answer = await call(stage, { method: 'PUT', instanceId: ID, key: { secret: key.secret }, body })
      tally.add(answer)
    }
    const changed = await changes(stage, before)
    const { traffic, broken } = await stage.finish()
    if (!tally.isOnly('200')) broken.push(String(tally))
    broken.push(...changed)
    return { measured: `${tally}; ${changed.length} changes, 0 pushes; ${traffic}`, broken }
  },
)

scenario(
  'F37',
  'a stranger registers, renews and removes a live id, 1,000 times each',
  { target: 'all refused; 0 changes, 0 pushes, 0 failed' },
  async stage => {
    const { key, before } = await fourth(stage)
    const tally = new Tally()
    const stranger: Key = { secret: secretOf('Z'), incarnation: key.incarnation }
    const { secret } = stranger
    const body = { address: '127.0.0.1', port: 9, ttlMs: 600_000 }
    for (let time = 0; time < TIMES; time++) {
      tally.add(await call(stage, { method: 'PUT', instanceId: ID, key: { secret }, body }))
      tally.add(await call(stage, { method: 'PUT', instanceId: ID, action: '/heartbeat', key: stranger }))
      tally.add(await call(stage, { method: 'DELETE', instanceId: ID, key: stranger }))
    }
    const changed = await changes(stage, before)
    const { traffic, broken } = await stage.finish()
    if (!tally.isOnly('409 ROLLCALL_INSTANCE_CONFLICT', '401 ROLLCALL_LEASE_SECRET_INVALID')) {
      broken.push(String(tally))
    }
    broken.push(...changed)
    return { measured: `${tally}; ${changed.length} changes, 0 pushes; ${traffic}`, broken }
  },
)

scenario(
  'F38',
  '1,000 ids register one address, one after another',
  { target: 'never two endpoints, the newest wins, 0 NACKs, 0 failed' },
  async stage => {
    const { host } = await fourth(stage)
    for (let time = 1; time < TIMES; time++) await enter(stage, `life-${time}`, host.port)
    await stage.inSync(INSTANCES)
    const { instances: now } = (await stage.ask(`/v1/services/${SERVICE}/instances`)) as {
      instances: { instanceId: string; port: number }[]
    }
    const holders = now.filter(({ port }) => port === host.port).map(({ instanceId }) => instanceId)
    const { traffic, broken } = await stage.finish()
    const nacks = stage.history.events.filter(({ kind }) => kind === 'nacked').length
    if (nacks > 0) broken.push(`${nacks} NACKs`)
    if (holders.join() !== `life-${TIMES - 1}`) broken.push(`the address is held by ${holders.join()}`)
    const measured = `held by the newest alone; 0 assignments with it twice; ${nacks} NACKs; ${traffic}`
    return { measured, broken }
  },
)

scenario(
  'F38',
  'SIGKILL of one of three and a new one on its port at once, 20 times',
  { target: 'never two endpoints, 0 NACKs; failed ≤ in flight' },
  async stage => {
    const { fleet, load } = await startCast(stage)
    for (let time = 0; time < 20; time++) {
      const victim = fleet.shift()
      if (!victim) throw new Error('nobody is left')
      await stage.killUpstream(victim)
      fleet.push(await stage.startUpstream({ port: victim.port }))
    }
    await stage.inSync(FLEET)
    const { mostInFlight } = await load.report()
    const { traffic, broken } = await stage.finish({ mayFail: mostInFlight })
    const nacks = stage.history.events.filter(({ kind }) => kind === 'nacked').length
    if (nacks > 0) broken.push(`${nacks} NACKs`)
    const measured = `0 assignments with an address twice; ${nacks} NACKs; ${traffic}; at most ${mostInFlight} in flight`
    return { measured, broken }
  },
)

scenario(
  'F40',
  'messages of a life that ended, 1,000 before and 1,000 after kill -9 of the server',
  { target: 'all 410; 0 revived, 0 failed' },
  async stage => {
    const { host, key } = await fourth(stage)
    await leave(stage, ID, host.port, key)
    await stage.inSync(INSTANCES - 1)
    const tally = new Tally()
    const late = async (): Promise<void> => {
      for (let time = 0; time < TIMES / 2; time++) {
        tally.add(await call(stage, { method: 'PUT', instanceId: ID, action: '/heartbeat', key }))
        tally.add(await call(stage, { method: 'DELETE', instanceId: ID, key }))
      }
    }
    await late()
    await stage.killRegistry()
    await stage.startRegistry()
    await stage.inSync(INSTANCES - 1)
    await late()
    const { traffic, broken } = await stage.finish()
    if (!tally.isOnly('410 ROLLCALL_INSTANCE_DEREGISTERED')) broken.push(String(tally))
    return { measured: `${tally}; 0 revived; ${traffic}`, broken }
  },
)
