// `npm run test:faults`: the fault suite, all of it or the scenarios of some ids (`-- F06 F07`). `--publish` writes what
// they measured into docs/faults.md; rows of what was not run stay as they are.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PUBLISH = '--publish'
const FOLDER = join(import.meta.dirname, '..', 'test', 'faults')

const ids = process.argv.slice(2).filter(argument => argument !== PUBLISH)
const strange = ids.filter(id => !/^F\d\d[a-z]?$/.test(id))
if (strange.length > 0) {
  process.stderr.write(`not the id of a fault: ${strange.join(', ')} (expected e.g. F06, or ${PUBLISH})\n`)
  process.exit(2)
}
const isWanted = text => ids.length === 0 || ids.some(id => text.includes(`'${id}'`))
const files = readdirSync(FOLDER)
  .filter(name => name.endsWith('.faults.test.ts'))
  .map(name => join(FOLDER, name))
  .filter(file => isWanted(readFileSync(file, 'utf8')))
const only = ids.length === 0 ? [] : [`--test-name-pattern=(${ids.join('|')}):`]
const isPublishing = process.argv.includes(PUBLISH)
const node = ['--import', 'tsx']
const test = ['--test', '--test-reporter=spec', '--test-concurrency=1', ...only, ...files]
const { status } = spawnSync(process.execPath, [...node, ...test], {
  stdio: 'inherit',
  env: { ...process.env, ...(isPublishing && { ROLLCALL_FAULTS_PUBLISH: '1' }) },
})
if (isPublishing) {
  const write = `import { writePage } from './test/faults/results.ts'; writePage()`
  spawnSync(process.execPath, [...node, '--input-type=module', '--eval', write], { stdio: 'inherit' })
}
process.exit(status ?? 1)
