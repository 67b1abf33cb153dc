/**
 * A server that cannot write for a while: its disk is full, which takes a file system of its own and so the right to
 * mount one; without that right, its files may not grow (EFBIG).
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { EdsServer } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { SECRET } from './records.ts'
import type { World } from './world.ts'

/** Where the server writes, and how that is made to fail and to work again. */
interface Disk {
  readonly folder: string
  fill(server: EdsServer): void
  free(server: EdsServer): void
}

export async function fullDisk(world: World, test: TestContext): Promise<void> {
  const folder = join(world.folder, 'disk')
  mkdirSync(folder)
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { encoding: 'utf8' })
  if (mount.status !== 0) {
    test.diagnostic(
      `played with a limit on file sizes, no file system can be mounted: ${mount.stderr.trim()}`,
    )
    await onDisk(world, limitedIn(join(world.folder, 'limited')))
    return
  }
  try {
    await onDisk(world, mountedAt(folder))
  } finally {
    spawnSync('umount', ['-l', folder])
  }
}

/** The limit is put on the running server, and only its soft half: so it can be taken off again by anybody. */
function limitedIn(folder: string): Disk {
  mkdirSync(folder)
  const limit = ({ child }: EdsServer, bytes: string): void => {
    execFileSync('prlimit', [`--pid=${child.pid}`, `--fsize=${bytes}:`])
  }
  return {
    folder,
    fill: server => limit(server, String(statSync(join(folder, 'data', 'registrations.mdb')).size + 65_536)),
    free: server => limit(server, 'unlimited'),
  }
}

function mountedAt(folder: string): Disk {
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill() {
      for (let bytes = 1024 * 1024; bytes >= 1024; ) {
        try {
          writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' })
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
          bytes /= 2
        }
      }
    },
    free: () => rmSync(ballast),
  }
}

async function onDisk(world: World, disk: Disk): Promise<void> {
  const args = ['--data-dir', join(disk.folder, 'data'), '--lease-ttl', '1s']
  const first = await world.startRegistry({ args })
  const early = await register(first, 'early', 20_001)
  assert.equal(early.status, 201)
  disk.fill(first)
  // The first ones may still fit into pages that are free.
  let refused = await register(first, 'late-0', 21_000)
  let count = 1
  for (; count < 2000 && refused.status === 201; count++)
    refused = await register(first, `late-${count}`, 21_000 + count)
  assert.deepEqual([refused.status, refused.body.code], [503, 'ROLLCALL_STORE_UNAVAILABLE'])
  const beat = await fetch(`${first.url}/v1/services/myservice/instances/early/heartbeat`, {
    method: 'PUT',
    headers: { 'rollcall-lease-secret': SECRET, 'rollcall-incarnation': String(early.body.incarnation) },
  })
  assert.equal(beat.status, 204, 'heartbeats go on')
  assert.equal((await instances(first)).length, count + 1, 'nothing is lost in memory')
  assert.match(await (await fetch(`${first.url}/metrics`)).text(), /^rollcall_store_failing 1$/m)
  await until(
    'it is ready, with a warning',
    async () => {
      const ready = await fetch(`${first.url}/readyz`)
      return ready.status === 200 && /cannot be written/.test(await ready.text())
    },
    { withinMs: 30_000 },
  )

  disk.free(first)
  await until('it writes again', async () => {
    return /^rollcall_store_failing 0$/m.test(await (await fetch(`${first.url}/metrics`)).text())
  })
  assert.equal((await register(first, `late-${count - 1}`, 21_000 + count - 1)).status, 200, 'the same life')
  await first.child.stop('SIGKILL')
  const second = await world.startRegistry({ args })
  assert.equal((await instances(second)).length, count + 1, 'all of it is on disk')
}

async function register(
  { url }: EdsServer,
  instanceId: string,
  port: number,
): Promise<{ status: number; body: { code?: string; incarnation?: number } }> {
  const answer = await fetch(`${url}/v1/services/myservice/instances/${instanceId}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'rollcall-lease-secret': SECRET },
    body: JSON.stringify({
      address: '127.0.0.1',
      port,
      metadata: { filling: 'x'.repeat(3000) },
      ttlMs: 600_000,
    }),
  })
  return { status: answer.status, body: (await answer.json()) as { code?: string } }
}

async function instances({ url }: EdsServer): Promise<unknown[]> {
  const answer = await fetch(`${url}/v1/services/myservice/instances`)
  return ((await answer.json()) as { instances: unknown[] }).instances
}
