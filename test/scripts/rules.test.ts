import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')
const RULE = /\b(?:X-\d\d|F\d\d[a-z]?)\b/g

function trackedText(): { path: string; text: string }[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  })
  const paths = listed.toString().split('\n')
  const wanted = paths.filter(path => /\.(ts|mjs|ya?ml|md)$/.test(path) && path !== 'docs/rules.md')
  return wanted.map(path => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

test('every rule that the code cites is explained in docs/rules.md', () => {
  const page = readFileSync(join(ROOT, 'docs', 'rules.md'), 'utf8')
  const explained = new Set(Array.from(page.matchAll(/^\| (X-\d\d|F\d\d[a-z]?) +\|/gm), match => match[1]))
  const missing = trackedText().flatMap(({ path, text }) =>
    (text.match(RULE) ?? []).filter(id => !explained.has(id)).map(id => `${id} in ${path}`),
  )
  assert.ok(explained.size > 50, 'the page was not understood')
  assert.deepEqual([...new Set(missing)], [])
})
