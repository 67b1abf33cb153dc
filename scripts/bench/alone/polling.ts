/** From a registration to its presence in a real Envoy that polls: with polls that are held, and with such as are not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ROOT, startEnvoy } from '../../processes/programs.ts'
import { until } from '../../processes/until.ts'
import { type BenchServer, startServer } from '../servers.ts'
import { line, milliseconds } from '../stats.ts'
import { Api } from './api.ts'

interface Variant {
  readonly name: string
  readonly refreshDelay: string
  /** A poll is held for 0.8 of it. */
  readonly requestTimeout: string
  readonly changes: number
}

const VARIANTS: readonly Variant[] = [
  { name: 'as shipped: delay 0.1 s, polls held', refreshDelay: '0.1s', requestTimeout: '15s', changes: 100 },
  { name: 'delay 1 s, polls held', refreshDelay: '1s', requestTimeout: '15s', changes: 60 },
  { name: 'delay 1 s, polls not held', refreshDelay: '1s', requestTimeout: '0.05s', changes: 60 },
]
/** Changes come at random times up to so far apart. */
const PAUSE_MS = 3000

export async function polling(): Promise<void> {
  for (const variant of VARIANTS) {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
    const server = await startServer()
    const bootstrap = join(folder, 'envoy.yaml')
    writeFileSync(bootstrap, bootstrapOf(variant, server))
    const adminAddressPath = join(folder, 'admin')
    await using envoy = await startEnvoy({ bootstrap, adminAddressPath })
    const api = new Api(server.httpPort)
    const samples: number[] = []
    for (let change = 1; change <= variant.changes; change += 1) {
      await delay(Math.random() * PAUSE_MS)
      const startedAt = performance.now()
      await api.register('myservice', change)
      const isThere = async () => (await envoy.admin.hosts()).length === change
      await until('Envoy has it', isThere, { everyMs: 1, withinMs: 20_000 })
      samples.push(performance.now() - startedAt)
    }
    line(`registration -> polling Envoy, ${variant.name}`, milliseconds(samples))
    await api.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function bootstrapOf({ refreshDelay, requestTimeout }: Variant, server: BenchServer): string {
  const shipped = readFileSync(join(ROOT, 'envoy', 'eds-rest.yaml'), 'utf8')
  return shipped
    .replace('refresh_delay: 0.1s', `refresh_delay: ${refreshDelay}`)
    .replace('request_timeout: 15s', `request_timeout: ${requestTimeout}`)
    .replace('port_value: 5000', `port_value: ${server.httpPort}`)
    .replace('port_value: 9901', 'port_value: 0')
    .replace('port_value: 10000', 'port_value: 0')
}
