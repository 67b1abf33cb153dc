/** A herd that comes while the server is busy waits in the kernel's queue and not for its clients' next try (F11). */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { until } from '../../scripts/processes/until.ts'
import { inWorld } from '../world/world.ts'

/** More than Node's default queue of 511, less than what Linux allows. */
const CLIENTS = 1000

test(
  'F11: a thousand connections are taken by either port of a server that reads none of them yet',
  inWorld(async world => {
    const { child, grpcPort, httpPort } = await world.startRegistry()
    child.signal('SIGSTOP')
    for (const port of [grpcPort, httpPort]) {
      let connected = 0
      const sockets = Array.from({ length: CLIENTS }, () =>
        connect(port, '127.0.0.1', () => (connected += 1)),
      )
      try {
        // A SYN that finds the queue full is sent again after a second.
        await until(`all are connected to ${port}`, () => connected === CLIENTS, { withinMs: 900 })
      } finally {
        for (const socket of sockets) socket.destroy()
      }
      assert.equal(connected, CLIENTS)
    }
    child.signal('SIGCONT')
  }),
)
