/** A real Envoy with a bootstrap of the folder envoy/, at the ports of the server under test. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Envoy, ROOT, startEnvoy } from '../../processes/programs.ts'
import type { BenchServer } from '../servers.ts'

/** The service of the bootstraps. */
export const SERVICE = 'myservice'

/** Plays `scene` with an Envoy that ends with it; `changed` may rewrite the bootstrap. */
export async function withEnvoy(
  name: string,
  server: BenchServer,
  scene: (envoy: Envoy) => Promise<void>,
  changed = (bootstrap: string): string => bootstrap,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  try {
    const shipped = readFileSync(join(ROOT, 'envoy', name), 'utf8')
    const bootstrap = join(folder, 'envoy.yaml')
    writeFileSync(bootstrap, atPorts(changed(shipped), server))
    await using envoy = await startEnvoy({ bootstrap, adminAddressPath: join(folder, 'admin') })
    await scene(envoy)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The server's ports, and any free ones for Envoy's own. */
function atPorts(bootstrap: string, { httpPort, grpcPort }: BenchServer): string {
  return bootstrap
    .replace('port_value: 5000', `port_value: ${httpPort}`)
    .replace('port_value: 8080', `port_value: ${grpcPort}`)
    .replace('port_value: 9901', 'port_value: 0')
    .replace('port_value: 10000', 'port_value: 0')
}
