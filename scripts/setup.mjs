// Brings a fresh clone to the point where everything runs: npm packages, the TypeScript build and, with
// --envoy, an Envoy binary; on Debian and as root, with --chromium a browser for the test of the console, with --envsubst
// that program for the tests of the Envoy image and with --faketime a library for the fault of the wall clock. It needs
// only Node and (for Envoy) Python's pip, does nothing that is already done, and prints one line for each thing that
// it does.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ensureEnvoy } from './envoy-binary.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cache = join(root, '.cache')

function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  say(`"${command} ${args.join(' ')}" failed${result.error ? `: ${result.error.message}` : ''}`)
  process.exit(1)
}

/** Two first starts side by side (three upstreams in three terminals) must not install over each other. */
async function withLock(work) {
  mkdirSync(cache, { recursive: true })
  const lock = join(cache, 'setup.lock')
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (isAbandoned(lock)) rmSync(lock, { recursive: true, force: true })
      else await delay(200)
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true })
  process.once('exit', release)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  writeFileSync(join(lock, 'pid'), String(process.pid))
  await work()
}

function isAbandoned(lock) {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0)
    return false
  } catch (error) {
    if (error.code === 'EPERM') return false
    // No pid file yet: its owner is between two statements, unless the folder is old.
    if (error.code === 'ENOENT') return existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 5000
    return true
  }
}

function installPackages() {
  const stamp = join(root, 'node_modules', '.rollcall-lock-hash')
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  say('installing the npm packages of package-lock.json into node_modules (once, about 20 s)')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(stamp, hash)
}

function build() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const workspaces = ['sdk', 'upstream-server', 'eds-server']
  const first = workspaces.some(name => !existsSync(join(root, name, 'dist', '.tsbuildinfo')))
  if (first) say('building TypeScript (tsc -b)')
  run(process.execPath, [tsc, '-b', ...workspaces])
}

/** Not having it is no reason to stop: the tests that need it say what is missing. */
function ensurePackage({ name, purpose, isThere }) {
  if (isThere()) return
  say(`installing ${name} for ${purpose} (apt-get install ${name})`)
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  const isInstalled = [['update'], ['install', '-y', '--no-install-recommends', name]].every(
    args => spawnSync('apt-get', args, options).status === 0,
  )
  if (!isInstalled) say(`no ${name}: install it; ${purpose} will fail`)
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some(folder => existsSync(join(folder, program)))
}

/** Where Debian and its like put it. */
function hasFaketime() {
  return readdirSync('/usr/lib').some(name => existsSync(`/usr/lib/${name}/faketime/libfaketime.so.1`))
}

const PACKAGES = {
  '--chromium': {
    name: 'chromium',
    purpose: 'the test of the console',
    isThere: () => Boolean(process.env.CHROMIUM_BIN) || isOnPath('chromium'),
  },
  '--envsubst': {
    name: 'gettext-base',
    purpose: 'the tests of the Envoy image',
    isThere: () => isOnPath('envsubst'),
  },
  '--faketime': {
    name: 'faketime',
    purpose: 'the fault of the wall clock (F10)',
    isThere: hasFaketime,
  },
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  say(`Node >= 20.19 is needed, this is ${process.version}`)
  process.exit(1)
}
await withLock(async () => {
  installPackages()
  build()
  if (process.argv.includes('--envoy')) await ensureEnvoy(say)
  for (const [flag, wanted] of Object.entries(PACKAGES)) {
    if (process.argv.includes(flag)) ensurePackage(wanted)
  }
}).catch(error => {
  say(error.message)
  process.exit(1)
})
