/** Whether the server is warm and Envoy connected, and how many members Envoy has had. */
import { setTimeout as delay } from 'node:timers/promises'
import type { EdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import type { WorldEnvoy } from './world.ts'

export async function ready({ url }: Pick<EdsServer, 'url'>): Promise<void> {
  await until('the server is warm', async () => (await fetch(`${url}/readyz`)).status === 200, {
    withinMs: 40_000,
  })
}

/** Whether Envoy has its discovery stream. The gauge belongs to the mux, so its prefix differs with the bootstrap. */
export async function isConnected({ admin }: Pick<WorldEnvoy, 'admin'>): Promise<boolean> {
  const gauges = await admin.stats('(^|\\.)control_plane\\.connected_state$')
  if (gauges.size === 0) throw new Error('Envoy has no gauge control_plane.connected_state')
  return [...gauges.values()].every(value => value === 1)
}

/** Resolves, when stopped, with the smallest number of hosts that Envoy had, looked at each 20 ms. */
export function watchMembers(envoy: WorldEnvoy): { stop(): Promise<number> } {
  let least = Number.POSITIVE_INFINITY
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      least = Math.min(least, (await envoy.admin.hosts()).length)
      await delay(20)
    }
  })()
  return {
    async stop() {
      isOver = true
      await watching
      return least
    },
  }
}
