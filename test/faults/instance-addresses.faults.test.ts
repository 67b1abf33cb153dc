/** Addresses of every kind (F43). */
import { networkInterfaces } from 'node:os'
import { hostPort } from '../../eds-server/src/registry/instance.ts'
import { until } from '../../scripts/processes/until.ts'
import { uuidsSeen } from '../world/front.ts'
import { SERVICE, startCast } from './cast.ts'
import { call, Host } from './host.ts'
import { scenario } from './scenario.ts'
import type { Stage } from './stage.ts'

/** What is registered, and what everybody is told; undefined: refused. */
const SPELLINGS: readonly (readonly [given: string, told: string | undefined])[] = [
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::FFFF:7F00:1', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['::1%lo', undefined],
  ['fe80::1%eth0', undefined],
  ['fe80::1', undefined],
  ['[::1]', undefined],
  ['::ffff:169.254.169.254', undefined],
  ['localhost', undefined],
]

function expect({ history }: Stage, address: string, port: number): void {
  history.record({ kind: 'registered', service: SERVICE, address: hostPort({ address, port }) })
}

async function enterAs(stage: Stage, host: Host, given: string, told: string | undefined): Promise<string> {
  if (told !== undefined) expect(stage, told, host.port)
  const body = { address: given, port: host.port, ttlMs: 600_000 }
  const { status, address, code } = await call(stage, { method: 'PUT', instanceId: `i${host.port}`, body })
  const isAsExpected = told === undefined ? status === 400 : status === 201 && address === told
  return isAsExpected ? '' : `${given}: ${status} ${address ?? code}, not ${told ?? 'refused'}`
}

scenario(
  'F43',
  'IPv6, IPv4-mapped and zoned addresses, and a host with both families',
  { target: 'one canonical form, or refused; 200 through Envoy from each; 0 failed' },
  async (stage, t) => {
    const hasIpv6 = networkInterfaces().lo?.some(({ address }) => address === '::1') ?? false
    if (!hasIpv6) {
      t.skip('no ::1 on this machine')
      return undefined
    }
    const { envoy, fleet } = await startCast(stage, { ratePerSecond: 500 })
    const served = new Set(fleet.map(({ uuid }) => uuid))
    const wrong: string[] = []
    for (const [given, told] of SPELLINGS) {
      const host = await Host.start(stage, told ?? '127.0.0.1')
      wrong.push(await enterAs(stage, host, given, told))
      if (told !== undefined) served.add(host.uuid)
    }
    const dual = await Host.start(stage, '::')
    for (const address of ['::1', '127.0.0.1']) {
      expect(stage, address, dual.port)
      const body = { address, port: dual.port, ttlMs: 600_000 }
      await call(stage, { method: 'PUT', instanceId: address.replaceAll(/[.:]/g, '-'), body })
    }
    served.add(dual.uuid)
    const count = served.size + 1
    await stage.inSync(count)
    const all = async (): Promise<boolean> => (await uuidsSeen(envoy.url, 4 * count)).size === served.size
    await until('each answers through Envoy', all)
    const { traffic, broken } = await stage.finish()
    broken.push(...wrong.filter(text => text !== ''))
    const refused = SPELLINGS.filter(([, told]) => told === undefined).length
    const figures = [`${SPELLINGS.length - refused} spellings in one form and ${refused} refused`]
    figures.push(`${served.size} hosts at ${count} addresses answer through Envoy`, traffic)
    return { measured: figures.join('; '), broken }
  },
)
