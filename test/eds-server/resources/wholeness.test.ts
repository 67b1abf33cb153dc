/** What a start had to leave out, with real directories: from when clients of before may be told what there is. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../../eds-server/src/clock.ts'
import { openResources, type Resources } from '../../../eds-server/src/resources/open-resources.ts'
import { until } from '../../../scripts/processes/until.ts'
import { clusterNamed, routesTo } from './documents.ts'

const GOOD = JSON.stringify(clusterNamed('a'))
const WRONG = JSON.stringify(clusterNamed('a', { connect_timout: '1s' }))

class Life implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'rollcall-whole-'))
  readonly directory: string = join(this.folder, 'docs')
  #resources: Resources | undefined

  constructor() {
    mkdirSync(this.directory)
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  async begin(): Promise<Resources> {
    await this.#resources?.close()
    const silent = (): void => undefined
    this.#resources = await openResources({
      directory: this.directory,
      dataDir: this.folder,
      secretsAllowed: true,
      clock: systemClock,
      log: { error: silent, warn: silent, info: silent, debug: silent },
      refused: silent,
    })
    return this.#resources
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources?.close()
    rmSync(this.folder, { recursive: true })
  }
}

test('a start with nothing, or with nothing wrong, is whole at once', async () => {
  await using life = new Life()
  assert.ok((await life.begin()).wholeness.isWhole)
  life.write('a.json', GOOD)
  assert.ok((await life.begin()).wholeness.isWhole)
})

test('a start with a wrong file is whole when that is right, and stays so (X-40)', async () => {
  await using life = new Life()
  life.write('a.json', WRONG)
  life.write('b.json', JSON.stringify(clusterNamed('b')))
  const { wholeness, api } = await life.begin()
  let told = 0
  wholeness.onWhole(() => {
    told += 1
  })
  assert.deepEqual([wholeness.isWhole, told, api.errors().length], [false, 0, 1])
  life.write('a.json', GOOD)
  await until('it is whole', () => wholeness.isWhole)
  assert.equal(told, 1)
  life.write('a.json', WRONG)
  await until('it is wrong again', () => api.errors().length === 1)
  assert.ok(wholeness.isWhole, 'the last good version is in force')
})

test('a wrong file that is deleted is not missed', async () => {
  await using life = new Life()
  life.write('a.json', WRONG)
  const { wholeness } = await life.begin()
  assert.ok(!wholeness.isWhole)
  rmSync(join(life.directory, 'a.json'))
  await until('it is whole', () => wholeness.isWhole)
})

test('a stored resource that waits for what it refers to is missed until that is there', async () => {
  await using life = new Life()
  life.write('a.json', GOOD)
  life.write('b.json', JSON.stringify(clusterNamed('b')))
  const { api } = await life.begin()
  api.put({ type: 'routes', name: 'r', group: '' }, routesTo('r', 'a'))
  rmSync(join(life.directory, 'a.json'))
  const { wholeness, api: next } = await life.begin()
  assert.ok(!wholeness.isWhole)
  next.put({ type: 'clusters', name: 'a', group: '' }, clusterNamed('a'))
  assert.ok(wholeness.isWhole)
})
