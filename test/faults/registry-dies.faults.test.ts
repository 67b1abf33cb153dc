/** The EDS server is killed, again and again, with and without its store (F01 to F05, F27). */
import { rmSync } from 'node:fs'
import { until } from '../../scripts/processes/until.ts'
import { fullDisk } from '../world/full-disk.ts'
import { killWhileWriting } from '../world/kill-while-writing.ts'
import { isConnected } from '../world/members.ts'
import type { WorldEnvoy } from '../world/world.ts'
import { churn } from './churn.ts'
import { scenario } from './scenario.ts'

const HOUR = 3_600_000
const UNHARMED = '0 failed; never fewer members'
/** Two heartbeats of a lease of 3 s, and a second. */
const RETURN_MS = 3000

scenario('F01', 'killed 100 times at random moments', { target: UNHARMED, withinMs: HOUR }, stage =>
  churn(stage, { cycles: 100, livesMs: () => 100 + Math.random() * 2400 }),
)

scenario(
  'F01',
  'killed and down for 10 s, 3 times',
  { target: `${UNHARMED}; first ACK ≤ 5 s after the start`, withinMs: HOUR },
  async stage => {
    const outcome = await churn(stage, { cycles: 3, downMs: 10_000 })
    return { ...outcome, isMet: Math.max(...outcome.firstAckMs) <= 5000 }
  },
)

scenario(
  'F02',
  'killed and its store deleted, 20 times',
  { target: `${UNHARMED}; all back ≤ ${RETURN_MS} ms`, withinMs: HOUR },
  async stage => {
    const betweenLives = (): void => rmSync(stage.dataDir, { recursive: true })
    const outcome = await churn(stage, { cycles: 20, betweenLives })
    return { ...outcome, isMet: Math.max(...outcome.recoveredMs) <= RETURN_MS }
  },
)

scenario(
  'F03',
  'killed and down for 10 minutes, 50 requests a second',
  { target: `${UNHARMED}; control_plane.connected_state 0`, withinMs: HOUR },
  async stage => {
    const betweenLives = async (envoy: WorldEnvoy): Promise<void> => {
      await until('Envoy knows that it is alone', async () => !(await isConnected(envoy)))
    }
    return await churn(stage, { cycles: 1, downMs: 600_000, ratePerSecond: 50, betweenLives })
  },
)

scenario(
  'F04',
  'killed every 2 s for 2 minutes',
  { target: '0 failed; 0 membership changes', withinMs: HOUR },
  stage => churn(stage, { cycles: 60, livesMs: () => 2000 }),
)

scenario(
  'F05',
  'SIGTERM and a new server, 3 times (one server: several need a shared store)',
  { target: `${UNHARMED}; Envoy without a stream ≤ 2 s`, withinMs: HOUR },
  async stage => {
    const outcome = await churn(stage, { cycles: 3, signal: 'SIGTERM' })
    return { ...outcome, isMet: Math.max(...outcome.firstAckMs) <= 2000 }
  },
)

scenario(
  'F26',
  'the disk is full for a while',
  { target: 'goes on serving; refuses what it cannot keep; nothing answered is missing' },
  async ({ world }, t) => {
    await fullDisk(world, t)
    const measured =
      'heartbeats 204, changes 503, ready with a warning; writes again by itself; all there after kill -9'
    return { measured, broken: [] }
  },
)

scenario(
  'F27',
  'killed while it writes, 1,000 times',
  { target: '1,000 of 1,000 starts; nothing answered is missing', withinMs: HOUR },
  async ({ world }) => ({ measured: await killWhileWriting(world, 1000), broken: [] }),
)
