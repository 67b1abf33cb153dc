/**
 * What the scenarios measured: a file of rows for each fault below results/, and the page docs/faults.md that is
 * made of them. A run replaces the rows of what it ran and leaves the others alone.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../scripts/processes/programs.ts'
import { CATALOGUE } from './catalogue.ts'

export interface Row {
  /** The scenario's title. */
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly isMet: boolean
  /** `2026-11-21` */
  readonly date: string
  readonly machine: string
}

const RESULTS = join(ROOT, 'test', 'faults', 'results')
export const PAGE: string = join(ROOT, 'docs', 'faults.md')

export function readRows(id: string): Row[] {
  const file = join(RESULTS, `${id}.json`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Row[]) : []
}

/** Every id that has rows. */
export function measuredIds(): string[] {
  const names = existsSync(RESULTS) ? readdirSync(RESULTS) : []
  return names.map(name => name.replace('.json', '')).sort()
}

/** Keeps a row in place of the one of the same title. */
export function keepRow(id: string, row: Omit<Row, 'date' | 'machine'>): void {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.version}`
  const measured = row.measured.replace(/\s+/g, ' ').replaceAll('|', '/')
  const dated = { ...row, measured, date: new Date().toISOString().slice(0, 10), machine }
  const rows = readRows(id).filter(({ what }) => what !== row.what)
  mkdirSync(RESULTS, { recursive: true })
  const sorted = [...rows, dated].sort((a, b) => (a.what < b.what ? -1 : 1))
  writeFileSync(join(RESULTS, `${id}.json`), `${JSON.stringify(sorted, null, 2)}\n`)
}

export function renderPage(): string {
  const ids = [...new Set([...CATALOGUE, ...measuredIds()])].sort()
  const table = ids.flatMap(id => {
    const rows = readRows(id)
    if (rows.length === 0) return [`| ${id} | not measured yet | | | | |`]
    return rows.map(({ what, target, measured, isMet, date }) => {
      return `| ${[id, what, target, measured, isMet ? 'met' : '**missed**', date].join(' | ')} |`
    })
  })
  const machines = new Set(ids.flatMap(id => readRows(id).map(({ machine }) => machine)))
  return `# Faults

What was measured of the faults in [rules.md](rules.md), written by \`npm run test:faults -- --publish\`: real processes, a
real Envoy, and traffic as an open loop (requests leave at fixed times whatever the answers do). A request has failed
without a 2xx answer within 10 s. Every assignment that an Envoy was sent and every ACK is recorded on the wire and judged
afterwards: nobody is told away, no false empty, no strangers, nothing revived, incarnations never go back, and at the end
Envoy has what the registry has. A broken invariant fails the scenario; a time that is missed is shown as missed.

Machine: ${[...machines].join('; ')}.

| id | what was done | target | measured | | date |
| --- | --- | --- | --- | --- | --- |
${table.join('\n')}
`
}

/** Writes the page in the format that the linter wants. */
export function writePage(): void {
  writeFileSync(PAGE, renderPage())
  const biome = join(ROOT, 'node_modules', '.bin', 'biome')
  const { status, stderr } = spawnSync(biome, ['format', '--write', PAGE], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`biome format: ${stderr}`)
}
