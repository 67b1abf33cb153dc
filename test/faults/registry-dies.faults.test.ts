/** The EDS server is killed, again and again, with and without its store (F01 to F05, F27). */
import { rmSync } from 'node:fs'
import { killWhileWriting } from '../world/kill-while-writing.ts'
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
  'F27',
  'killed while it writes, 1,000 times',
  { target: '1,000 of 1,000 starts; nothing answered is missing', withinMs: HOUR },
  async ({ world }) => ({ measured: await killWhileWriting(world, 1000), broken: [] }),
)
