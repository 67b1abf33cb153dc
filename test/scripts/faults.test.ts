/** Nothing of the fault catalogue is dropped silently, and its page says what was measured. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../scripts/processes/programs.ts'
import { CATALOGUE } from '../faults/catalogue.ts'
import { measuredIds, PAGE, readRows, renderPage } from '../faults/results.ts'

const FOLDER = join(ROOT, 'test', 'faults')
const SOURCE = readdirSync(FOLDER)
  .filter(name => name.endsWith('.faults.test.ts'))
  .map(name => readFileSync(join(FOLDER, name), 'utf8'))
  .join('\n')

test('every fault of the catalogue has a scenario', () => {
  const written = new Set(Array.from(SOURCE.matchAll(/scenario\(\s*'(F\d\d[a-z]?)'/g), match => match[1]))
  const listed = new Set(SOURCE.match(/'F\d\d[a-z]?'/g)?.map(text => text.slice(1, -1)))
  const missing = CATALOGUE.filter(id => !written.has(id) && !listed.has(id))
  assert.deepEqual(missing, [])
})

test('every row of the results is of a scenario that is still there', () => {
  const stale = measuredIds().flatMap(id => readRows(id).filter(({ what }) => !SOURCE.includes(what)))
  assert.deepEqual(stale, [])
})

test('docs/faults.md has every fault of the catalogue and shows the results', () => {
  const page = readFileSync(PAGE, 'utf8')
  // The page is formatted; columns are as wide as their widest cell.
  const plain = (text: string): string => text.replace(/ +/g, ' ').replace(/-{3,}/g, '---')
  assert.ok(plain(page) === plain(renderPage()), 'out of date: run npm run test:faults -- --publish')
  const shown = new Set(Array.from(page.matchAll(/^\| (F\d\d[a-z]?) +\|/gm), match => match[1]))
  assert.deepEqual(
    CATALOGUE.filter(id => !shown.has(id)),
    [],
  )
})
