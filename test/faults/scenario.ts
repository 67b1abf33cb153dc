/**
 * A scenario of the fault catalogue: a test named by its fault's id, on a stage of its own. It returns what it
 * measured; what is missed is printed and published, what is broken fails the test and keeps its history.
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ROOT } from '../../scripts/processes/programs.ts'
import { inWorld } from '../world/world.ts'
import { keepRow } from './results.ts'
import { Stage } from './stage.ts'

export interface Plan {
  /** What is aimed at, in few words, for the table. */
  target: string
  /** The test fails after so long. Default 5 minutes. */
  withinMs?: number
}

export interface Outcome {
  /** The figures, in few words, in the order of the target. */
  measured: string
  /** Whether the target is met; default: when nothing is broken. */
  isMet?: boolean
  /** Invariants that did not hold: failed requests, lost registrations, hosts told away. */
  broken: readonly string[]
}

/** Set by `npm run test:faults -- --publish`. */
const isPublishing = process.env.ROLLCALL_FAULTS_PUBLISH === '1'
/** How much of a long list of violations an error shows. */
const SHOWN = 20

export function scenario(
  id: string,
  what: string,
  { target, withinMs = 300_000 }: Plan,
  /** Resolves with undefined when it cannot be played here. */
  body: (stage: Stage, t: TestContext) => Promise<Outcome | undefined>,
): void {
  test(
    `${id}: ${what}`,
    inWorld(
      async (world, t) => {
        const stage = new Stage(world)
        try {
          const outcome = await body(stage, t)
          if (!outcome) return
          const { measured, broken, isMet = true } = outcome
          t.diagnostic(`${id}: ${measured} (target: ${target})`)
          const row = { what, target, measured, isMet: isMet && broken.length === 0 }
          if (isPublishing) keepRow(id, row)
          if (broken.length > 0) throw new Error(`broken:\n${broken.slice(0, SHOWN).join('\n')}`)
        } catch (error) {
          t.diagnostic(`what happened is kept in ${keepHistory(id, world.folder)}`)
          throw error
        }
      },
      { withinMs },
    ),
  )
}

function keepHistory(id: string, folder: string): string {
  const kept = join(ROOT, '.cache', 'faults', `${id}-${Date.now()}`)
  mkdirSync(kept, { recursive: true })
  cpSync(folder, kept, { recursive: true, filter: path => !/\.(sock|lock)$|\/(data|disk)\b/.test(path) })
  return kept
}
