/** Runs the entrypoint of the Envoy image with something in Envoy's place that keeps what it was started with. */
import assert from 'node:assert/strict'
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IMAGE, pathWith, RENDERERS, type Renderer } from './image.ts'

const folder = mkdtempSync(join(tmpdir(), 'rollcall-image-'))
process.once('exit', () => rmSync(folder, { recursive: true }))

// In Envoy's place: leaves the configuration that it was started with.
const started = join(folder, 'started')
const recorder = join(folder, 'recorder')
writeFileSync(recorder, `#!/bin/sh\nprintf %s "$2" >"${started}"\nshift 2\nprintf '%s\\n' "$TZ" "$@"\n`, {
  mode: 0o755,
})
const recording = Object.fromEntries(RENDERERS.map(name => [name, pathWith(folder, name, recorder)]))

/** Just enough to start. */
export const GOOD: Variables = { SERVICE_NAME: 'myservice', ROLLCALL_SERVER: 'eds-server' }
export type Variables = Record<string, string>

export interface Run extends SpawnSyncReturns<string> {
  /** Undefined when Envoy was not started. */
  config: string | undefined
}

/** Prints the time zone and Envoy's other arguments, one a line. */
export function run(
  env: Variables,
  { renderer = 'sed', args = [] }: { renderer?: Renderer; args?: string[] } = {},
): Run {
  rmSync(started, { force: true })
  const options = { env: { ...env, PATH: recording[renderer] }, encoding: 'utf8' } as const
  const result = spawnSync(join(IMAGE, 'docker-entrypoint.sh'), args, options)
  return { ...result, config: existsSync(started) ? readFileSync(started, 'utf8') : undefined }
}

/** The configuration that Envoy is started with; fails where it is not. */
export function configOf(env: Variables): string {
  const { config, stderr } = run(env)
  assert.equal(stderr, '')
  assert.ok(config)
  return config
}
