import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTestRegistry } from '@rollcall/sdk/testing'
import { Child } from '../../scripts/processes/child.ts'
import { until } from '../../scripts/processes/until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

function section(title: string): string {
  const [, after = ''] = README.split(`\n## ${title}\n`)
  return after.split('\n## ')[0] ?? ''
}

test('each promise of the README is the title of a suite', () => {
  const promises = Array.from(section('What it promises').matchAll(/^- \*\*(.+?)\*\*/gm), match => match[1])
  assert.ok(promises.length >= 7, 'the promises were not found')
  const tests = execFileSync('git', ['grep', '-h', 'describe(', '--', 'test'], { cwd: ROOT }).toString()
  const titles = new Set(Array.from(tests.matchAll(/describe\(['"`](.+?)['"`],/g), match => match[1]))
  assert.deepEqual(
    promises.filter(promise => !titles.has(promise)),
    [],
  )
})

test('every file that the README names is there', () => {
  const links = Array.from(README.matchAll(/\]\(([^)#:]+)\)/g), match => match[1] ?? '')
  const paths = Array.from(
    README.matchAll(/`((?:sdk|eds-server|upstream-server|envoy|scripts|test)\/[\w./-]*)`/g),
  )
  const named = [...links, ...paths.map(match => match[1] ?? '')]
  assert.ok(named.length > 10, 'no names were found')
  assert.deepEqual(
    named.filter(path => !existsSync(join(ROOT, path))),
    [],
  )
})

test('the first snippet of the README registers a service, and its process ends by itself on SIGTERM', async () => {
  const [, snippet = ''] = /```ts\n([\s\S]+?)```/.exec(README) ?? []
  const folder = join(ROOT, '.cache', `readme-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'app.mts')
  writeFileSync(file, snippet.replace('8081', '0'))
  const registry = await startTestRegistry()
  await using app = new Child({
    name: 'app',
    command: process.execPath,
    args: ['--import', 'tsx', file],
    env: { ROLLCALL_REGISTRY: registry.url },
  })
  await until('it is registered', async () =>
    registry.instances().some(({ service }) => service === 'myservice'),
  )
  assert.deepEqual(await app.stop('SIGTERM'), { code: 0, signal: null })
  assert.deepEqual(registry.instances(), [])
  await registry.close()
  rmSync(folder, { recursive: true })
})
