/** The two ways in: `register` for a port, `attach` for a server that the SDK also drains and closes. */
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { OptionError } from './errors.ts'
import { answerHealth, Listener, portOf } from './listener.ts'
import type { AttachOptions, RegisterOptions } from './options.ts'
import { Registration } from './registration.ts'
import { parseOptions } from './settings.ts'

/** The app does not start later because the registry is slow or down (F44). */
const FIRST_ATTEMPT_MS = 2000
/** For `server.listen(); await register({ server })`; one that is told to listen later is not waited for. */
const LISTEN_MS = 100

/**
 * Registers this process under `service` and keeps it registered. Resolves after the first attempt, at the
 * latest after 2 s, also when no registry can be reached: see `state`. Rejects with OptionError for a wrong
 * option and with RegistryError when the registry refuses the record.
 */
export async function register(options: RegisterOptions): Promise<Registration> {
  const settings = parseOptions(options)
  settings.signal?.throwIfAborted()
  const { server } = options
  const port = settings.port ?? (server && portOf(server))
  if (port === undefined) throw new OptionError('port', undefined, 'given: pass `port` or `server`')
  const registration = new Registration(settings, Promise.resolve(port))
  const isWaiting = typeof port !== 'number' && !server?.listening
  const patience = new AbortController()
  const enough = delay(isWaiting ? LISTEN_MS : FIRST_ATTEMPT_MS, undefined, { signal: patience.signal })
  try {
    await Promise.race([registration.started, enough])
  } catch (error) {
    void registration.close()
    throw error
  } finally {
    enough.catch(() => undefined) // aborted on the next line
    patience.abort()
  }
  return registration
}

/**
 * One line for an existing app: registers the server once it listens, answers `/healthz` and `/livez` before the
 * app's own handlers, and on `close()` drains, closes the server and lets the process end by itself. Returns at
 * once; see `registration.started`. Throws OptionError for a wrong option.
 */
export function attach(server: Server, options: AttachOptions): Registration {
  return attachWith(server, options)
}

/** `attach` for adapters, which have hooks of their own and another way to close. */
export function attachWith(
  server: Server,
  options: AttachOptions,
  hooks: (() => unknown)[] = [],
  closeBy?: () => unknown,
): Registration {
  const settings = parseOptions({ ...options })
  settings.signal?.throwIfAborted()
  const { healthzPath = '/healthz', livezPath = '/livez', drainOn = [], keepAliveTimeoutMs } = options
  const listener = new Listener(server, {
    keepAliveTimeoutMs,
    answer: (request, response) => answerHealth(registration, { healthzPath, livezPath }, request, response),
  })
  const port = portOf(server)
  const registration: Registration = new Registration(
    settings,
    settings.port === undefined ? port : port.then(() => settings.port as number),
    listener,
    hooks,
  )
  // A server that was closed without us serves no longer: leave the registry too.
  server.once('close', () => void registration.close())
  const onSignal = (): void => {
    stopListening() // so that a second signal has its default effect, which is to end the process
    if (closeBy) closeBy()
    else void registration.close()
  }
  const stopListening = (): void => {
    for (const name of drainOn) process.off(name, onSignal)
  }
  for (const name of drainOn) process.on(name, onSignal)
  void registration.closed.then(stopListening)
  return registration
}
