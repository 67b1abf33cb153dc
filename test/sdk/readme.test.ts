/** Every snippet of the SDK's README runs as it stands, against a registry, and the process ends by itself. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import ts from 'typescript'
import { ROOT } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { startNode, testRegistry } from './support.ts'

const readme = readFileSync(join(ROOT, 'sdk', 'README.md'), 'utf8')
const snippets = [...readme.matchAll(/^#+ (.*)$|^```js\n([\s\S]*?)^```$/gm)]
  .map((match, index, all) => ({
    code: match[2],
    heading: all.slice(0, index).findLast(each => each[1])?.[1] ?? '',
  }))
  .filter(({ code }) => code)

test('there are snippets', () => assert.equal(snippets.length, 5))

for (const { heading, code = '' } of snippets) {
  test(`README: ${heading}`, async context => {
    const registry = await testRegistry(context)
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    })
    const child = startNode(context, ['--input-type=module', '-e', outputText], {
      ROLLCALL_REGISTRY: registry.url,
    })
    if (code.includes('drainOn') && !code.includes('close()')) {
      await until('registered', () => registry.instances().length === 1)
      child.signal('SIGTERM')
    }
    const { code: exitCode } = await child.exited
    assert.equal(exitCode, 0, child.tail())
    const warning = /^\(node:\d+\) RollcallWarning: the registry lost us|^\(Use `node --trace-warnings/
    assert.deepEqual(
      child.stderr.filter(line => !warning.test(line)),
      [],
    )
    assert.equal(registry.instances().length, 0)
  })
}

test('the tables of the README name every option and every event', () => {
  const options = readFileSync(join(ROOT, 'sdk', 'src', 'options.ts'), 'utf8')
  for (const [, name] of options.matchAll(/^ {2}(\w+)\??:/gm)) assert.match(readme, new RegExp(`\`${name}\``))
  const events = readFileSync(join(ROOT, 'sdk', 'src', 'registration-events.ts'), 'utf8')
  const [, body = ''] = /interface RegistrationEvents \{([\s\S]*?)^\}/m.exec(events) ?? []
  for (const [, name] of body.matchAll(/^ {2}(\w+):/gm)) assert.match(readme, new RegExp(`\`${name}\``))
})
