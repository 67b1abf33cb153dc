/** The long form of test/e2e/durable.test.ts: the numbers of the fault catalogue. `npm run test:faults`. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { describeReport } from '../../scripts/processes/load-report.ts'
import { type ChurnResult, churn, describeTimes } from '../world/churn.ts'
import { killWhileWriting } from '../world/kill-while-writing.ts'
import { inWorld, type World } from '../world/world.ts'

const HOUR = { withinMs: 3_600_000 }
const args = (world: World): string[] => ['--data-dir', join(world.folder, 'data'), '--lease-ttl', '3s']

function told({ report, leastMembers, membershipChanges, recoveredMs }: ChurnResult): string {
  return [
    `${describeReport(report)} (target 0 failed)`,
    `fewest members ${leastMembers} of 3, ${membershipChanges} membership changes (target 3, 0)`,
    `recovered: ${describeTimes(recoveredMs)}`,
  ].join('; ')
}

function unharmed(result: ChurnResult): void {
  assert.equal(result.report.failed, 0, describeReport(result.report))
  assert.deepEqual([result.leastMembers, result.membershipChanges], [3, 0])
}

describe('faults of the control plane', () => {
  test(
    'F01: 100 times kill -9 and restart under traffic',
    inWorld(async (world, t) => {
      const result = await churn(world, { cycles: 100, args: args(world) })
      t.diagnostic(told(result))
      unharmed(result)
    }, HOUR),
  )

  test(
    'F01: down for 10 s',
    inWorld(async (world, t) => {
      const result = await churn(world, { cycles: 3, args: args(world), downMs: 10_000 })
      t.diagnostic(told(result))
      unharmed(result)
    }, HOUR),
  )

  test(
    'F02: 20 times the same with the store deleted in between',
    inWorld(async (world, t) => {
      const betweenLives = (): void => rmSync(join(world.folder, 'data'), { recursive: true })
      const result = await churn(world, { cycles: 20, args: args(world), betweenLives })
      t.diagnostic(`${told(result)} (target: 2 heartbeats + 1 s = 3000 ms)`)
      unharmed(result)
    }, HOUR),
  )

  test(
    'F27: killed while it writes, 1,000 times',
    inWorld(async (world, t) => {
      t.diagnostic(`${await killWhileWriting(world, 1000)} (target 1000 of 1000, 0)`)
    }, HOUR),
  )
})
