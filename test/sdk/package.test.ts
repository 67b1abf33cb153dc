/** What is published: the files, the weight, and that importing it does nothing. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'
import { ROOT } from '../../scripts/processes/programs.ts'

const SUBPATHS = ['', '/fastify', '/express', '/koa', '/http', '/testing']

function run(args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.equal(status, 0, stderr)
  return stdout
}

test('npm pack: the built modules of src, their types, maps and sources, README and LICENSE, and nothing else', () => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--workspace', 'sdk'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const modules = readdirSync(join(ROOT, 'sdk', 'src'), { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.ts'))
    .map(name => name.slice(0, -'.ts'.length))
  const built = modules.flatMap(name =>
    ['.d.ts', '.d.ts.map', '.js', '.js.map'].map(end => `dist/${name}${end}`),
  )
  const sources = modules.map(name => `src/${name}.ts`)
  const expected = [...built, ...sources, 'LICENSE', 'README.md', 'package.json'].sort()
  assert.deepEqual(files.map(({ path }) => path).sort(), expected)
})

test('every subpath can be imported, does not keep the process alive and prints nothing', () => {
  const source = SUBPATHS.map(path => `await import('@rollcall/sdk${path}')`).join('\n')
  assert.equal(run(['--input-type=module', '-e', source]), '')
})

test('every subpath can be required from CommonJS, without a flag', () => {
  const source = SUBPATHS.map(path => `require('@rollcall/sdk${path}')`).join('\n')
  assert.equal(
    run(['--input-type=commonjs', '-e', `${source}\nconsole.log(typeof require('@rollcall/sdk').attach)`]),
    'function\n',
  )
})

test('the public names', async () => {
  const names = await Promise.all(
    SUBPATHS.map(async path => Object.keys(await import(`@rollcall/sdk${path}`)).sort()),
  )
  const classes = ['DeliveryError', 'OptionError', 'RegistryError', 'RollcallError', 'UnreachableError']
  const health = ['healthz', 'livez']
  assert.deepEqual(names, [
    [...classes, 'attach', 'register'],
    ['fastifyRollcall'],
    health,
    health,
    health,
    ['startTestRegistry'],
  ])
})

test('only undici and p-retry at run time, and less than 30 kB of our own code, minified', async () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'sdk', 'package.json'), 'utf8'))
  assert.deepEqual(Object.keys(dependencies).sort(), ['p-retry', 'undici'])
  // The minifier that tsx brings along.
  const { transform } = createRequire(createRequire(import.meta.url).resolve('tsx'))('esbuild')
  const names = readdirSync(join(ROOT, 'sdk', 'dist'), { recursive: true }).map(String)
  let bytes = 0
  for (const name of names.filter(each => each.endsWith('.js') && !/testing|memory-registry/.test(each))) {
    const text = readFileSync(join(ROOT, 'sdk', 'dist', name), 'utf8')
    for (const [, module = ''] of text.matchAll(/^(?:import|export) .* from '([^.'][^']*)'/gm)) {
      assert.match(module, /^(node:|undici$|p-retry$)/, `${name} imports ${module}`)
    }
    bytes += Buffer.byteLength((await transform(text, { minify: true })).code)
  }
  assert.ok(bytes > 10_000 && bytes < 30_000, `${bytes} bytes`)
})
