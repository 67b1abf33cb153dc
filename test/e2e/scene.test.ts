/** The scene that `npm run scene` plays, on its fixed ports. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ROOT } from '../../scripts/processes/programs.ts'

test('the scene plays to its end, every step as promised', async () => {
  const script = join(ROOT, 'scripts', 'scene.ts')
  const options = { cwd: ROOT, timeout: 120_000, env: { ...process.env, NO_COLOR: '1' } }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script], options)
  assert.match(stdout, /Every step was as promised\.\n$/)
  assert.equal(stdout.match(/^ok /gm)?.length, 7)
  assert.doesNotMatch(stdout, /FAIL/)
})
