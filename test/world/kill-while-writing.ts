/** Starts a server, registers as fast as it answers, kills it in the middle; again and again on one directory. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { World } from './world.ts'

const WRITERS = 8
const SERVICES = 10
const PORTS = 60_000

/** Throws when a start fails or anything that was answered is missing; says in a line what it did. */
export async function killWhileWriting(world: World, rounds: number): Promise<string> {
  const args = ['--data-dir', join(world.folder, 'kills'), '--log-level', 'info']
  const answered = new Set<string>()
  let sent = 0
  for (let round = 0; round < rounds; round++) {
    await using registry = await world.startRegistry({ args })
    const answer = await fetch(`${registry.url}/v1/services`)
    const { services } = (await answer.json()) as { services: { service: string; instances: number }[] }
    const known = new Set<string>()
    for (const { service } of services) {
      const list = await fetch(`${registry.url}/v1/services/${service}/instances`)
      const { instances } = (await list.json()) as { instances: { instanceId: string }[] }
      for (const { instanceId } of instances) known.add(instanceId)
    }
    const lost = [...answered].filter(id => !known.has(id))
    assert.deepEqual(lost, [], `lost in round ${round}`)

    let isOver = false
    const writer = async (): Promise<void> => {
      while (!isOver) {
        sent += 1
        const id = `i${sent}`
        try {
          const path = `/v1/services/s${round % SERVICES}/instances/${id}`
          // An address of its own each: a second instance at one would take the place of the first.
          const address = `127.0.0.${1 + Math.floor(sent / PORTS)}`
          const body = JSON.stringify({ address, port: 1024 + (sent % PORTS) })
          const headers = { 'content-type': 'application/json' }
          const { status } = await fetch(registry.url + path, { method: 'PUT', headers, body })
          if (status === 201) answered.add(id)
        } catch (error) {
          // The server is killed in the middle of this: an answer that never came promises nothing.
          if (!isOver) throw error
        }
      }
    }
    const writers = Array.from({ length: WRITERS }, writer)
    await delay(20 + ((round * 37) % 120))
    isOver = true
    await registry.child.stop('SIGKILL')
    await Promise.all(writers)
  }
  return `${rounds} of ${rounds} starts; ${answered.size} of ${sent} registrations were answered, 0 of these are missing`
}
