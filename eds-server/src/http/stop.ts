/**
 * How the server stops: new requests are answered with `connection: close`, event streams end, waits end, what is
 * in flight is answered, and connections close as they fall idle.
 *
 * Without the sweep, a connection that falls idle after the close began keeps the server open until its keep-alive
 * runs out (fastify#7044); clients hold exactly such connections.
 */
import type { Clock, Timer } from '../clock.ts'
import type { HttpApp } from './context.ts'

const SWEEP_INTERVAL_MS = 20
/** A request that is still arriving or being answered by then is cut off. */
const GRACE_MS = 5_000

/** `begin` runs once, before the listener closes. */
export function stopPromptly(app: HttpApp, clock: Clock, begin: () => void): void {
  let timer: Timer | undefined
  function sweep(deadline: number): void {
    if (clock.now() < deadline) app.server.closeIdleConnections()
    else app.server.closeAllConnections()
    timer = clock.setTimer(SWEEP_INTERVAL_MS, () => sweep(deadline))
  }
  app.addHook('preClose', done => {
    begin()
    sweep(clock.now() + GRACE_MS)
    done()
  })
  app.addHook('onClose', (_app, done) => {
    timer?.cancel()
    done()
  })
}
