/** The Envoy image without a container: its entrypoint, with nothing else on PATH than what the image has. */
import assert from 'node:assert/strict'
import { accessSync, constants, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { findEnvoy } from '../../scripts/envoy-binary.mjs'
import { ROOT } from '../../scripts/processes/programs.ts'

export const IMAGE: string = join(ROOT, 'envoy', 'image')
/** What the entrypoint needs of the image it stands on. */
const TOOLS = ['sh', 'sed', 'tr', 'head', 'uname'] as const

/** Every way in which the variables are filled in. */
export const RENDERERS = ['envsubst', 'sed'] as const
export type Renderer = (typeof RENDERERS)[number]

function onPath(name: string): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders
    .map(folder => join(folder, name))
    .find(path => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
  assert.ok(
    found,
    `no ${name}: install it (envsubst is in gettext-base); node scripts/setup.mjs --envsubst does`,
  )
  return found
}

/** A PATH of one folder, made in `folder`, with or without envsubst. `envoy` is a program; default the real one. */
export function pathWith(
  folder: string,
  renderer: Renderer,
  envoy: string | undefined = findEnvoy(),
): string {
  assert.ok(envoy, 'no Envoy: run node scripts/setup.mjs --envoy')
  const bin = join(folder, `bin-${renderer}`)
  mkdirSync(bin)
  for (const tool of TOOLS) symlinkSync(onPath(tool), join(bin, tool))
  if (renderer === 'envsubst') symlinkSync(onPath('envsubst'), join(bin, 'envsubst'))
  symlinkSync(envoy, join(bin, 'envoy'))
  return bin
}

/** A copy of the image's files on free ports of loopback. Returns the path of the entrypoint. */
export function imageOnFreePorts(folder: string): string {
  const copy = join(folder, 'image')
  cpSync(IMAGE, copy, { recursive: true })
  const template = join(copy, 'envoy.yaml.tmpl')
  let text = readFileSync(template, 'utf8')
  for (const port of [9901, 10000]) {
    const shipped = `{ address: 0.0.0.0, port_value: ${port} }`
    assert.equal(text.split(shipped).length, 2, `${template}: not one ${shipped}`)
    text = text.replace(shipped, '{ address: 127.0.0.1, port_value: 0 }')
  }
  writeFileSync(template, text)
  return join(copy, 'docker-entrypoint.sh')
}
