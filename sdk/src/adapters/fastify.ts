/**
 * Fastify: `await app.register(fastifyRollcall, { service })`. Once `app.close()` has begun, Fastify answers 503
 * and then waits for idle connections (fastify#7044); so `close` is led around: first the drain, with the app
 * serving normally, then our own closing of the listener, and only then Fastify's.
 */
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { AttachOptions } from '../options.ts'
import { attachWith } from '../register.ts'
import type { Registration } from '../registration.ts'

declare module 'fastify' {
  interface FastifyInstance {
    rollcall: Registration
  }
}

type Close = (done?: (error?: Error) => void) => Promise<void>

/** Attaches the app's server: `app.rollcall` is the registration, and `app.close()` drains first. */
export async function fastifyRollcall(app: FastifyInstance, options: AttachOptions): Promise<void> {
  const root = ownerOfClose(app)
  const closeApp = root.close.bind(root) as () => Promise<void>
  let closed: Promise<void> | undefined
  const closeByFastify = (): Promise<void> => {
    closed ??= closeApp()
    return closed
  }
  const close: Close = done => {
    const result = app.rollcall.close().then(closeByFastify)
    if (done) result.then(() => done(), done)
    return result
  }
  // Fastify's log unless another is asked for. Options that another plugin added (`prefix`) are none of ours.
  const { prefix, ...ours } = options as AttachOptions & { prefix?: string }
  const onSignal = (): void => {
    close().catch(error => app.log.error(error, 'closing failed'))
  }
  const settings = { logger: app.log, ...ours }
  app.decorate('rollcall', attachWith(app.server as Server, settings, [closeByFastify], onSignal))
  Object.assign(root, { close })
}

// The decorator is for the whole app, as with fastify-plugin, which would be one more dependency.
Object.assign(fastifyRollcall, { [Symbol.for('skip-override')]: true })

/** Plugins see objects that inherit from the app; the one that everybody closes is at the root. */
function ownerOfClose(app: FastifyInstance): FastifyInstance {
  return Object.hasOwn(app, 'close') ? app : ownerOfClose(Object.getPrototypeOf(app))
}
