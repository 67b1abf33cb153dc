// Runs the *.test.ts files below the given folders with node:test; --serial for suites that own the machine.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folders = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const files = folders.flatMap(folder =>
  folder.endsWith('.ts')
    ? [folder]
    : readdirSync(folder, { recursive: true })
        .filter(name => name.endsWith('.test.ts'))
        .sort()
        .map(name => join(folder, name)),
)
if (files.length === 0) {
  process.stderr.write(`no test below ${folders.join(', ')}\n`)
  process.exit(1)
}
const concurrency = process.argv.includes('--serial') ? 1 : 2
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`, ...files],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
