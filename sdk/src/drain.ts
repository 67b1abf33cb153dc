/**
 * Leaving without one failed request. `drain` ends when no client has us any more, and the server serves
 * throughout: in a panic Envoy sends requests even to draining hosts (F30). `close` then lets go of the listener.
 * Neither rejects: what goes wrong is logged, and the next step is taken all the same.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { retried } from './delivery.ts'
import { type DeliveryReport, nodeNames, RegistryError } from './errors.ts'
import type { HealthChecks } from './health.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Listener } from './listener.ts'
import type { RegistryClient } from './registry-client.ts'
import type { Settings } from './settings.ts'

/** What the clients confirmed on the way out; undefined where nobody could be asked. */
export interface DrainReport {
  drained: DeliveryReport | undefined
  deregistered: DeliveryReport | undefined
  /** Names of the clients that had not confirmed the removal in time. */
  laggards: string[]
  durationMs: number
}

/** What is needed in order to leave. */
export interface Departure {
  settings: Pick<Settings, 'service' | 'ackTimeoutMs' | 'drainDelayMs' | 'deadlineMs' | 'logger'>
  client: RegistryClient
  keeper: LeaseKeeper
  health: HealthChecks
  listener: Listener | undefined
  hooks: readonly (() => unknown)[]
}

export async function drain(departure: Departure): Promise<DrainReport> {
  const { settings, keeper, health } = departure
  const startedAt = performance.now()
  const hardDeadline = startDeadline(settings.deadlineMs)

  health.drain() // readiness 503; liveness stays 200
  await keeper.enterDraining()
  const drained = await publishDraining(departure, hardDeadline.signal)
  await keeper.stop() // awaits the one in flight: a late one could revive us (F40)
  const deregistered = await deregister(departure, hardDeadline.signal)
  if ((!deregistered || deregistered.incomplete) && keeper.hasRegistered) {
    // No ACK to be had, or not of all: until their health checks have seen the 503, clients still send.
    const restMs = settings.drainDelayMs - (performance.now() - startedAt)
    await delay(Math.max(0, restMs), undefined, { signal: hardDeadline.signal }).catch(() => undefined)
  }

  hardDeadline.clear()
  const laggards = deregistered?.pending.map(({ node }) => node) ?? []
  if (deregistered && laggards.length > 0) {
    settings.logger.warn({ laggards }, `left before these confirmed it: ${nodeNames(deregistered)}`)
  }
  return { drained, deregistered, laggards, durationMs: Math.round(performance.now() - startedAt) }
}

export async function close(departure: Departure, drained: Promise<unknown>): Promise<void> {
  const { settings, client, listener, hooks } = departure
  const hardDeadline = startDeadline(settings.deadlineMs)
  const bounded = (work: unknown): Promise<unknown> => Promise.race([work, hardDeadline.passed])

  await bounded(drained)
  await listener?.close(hardDeadline.signal) // answers say `connection: close`; then no new ones; then none is left
  for (const hook of hooks) {
    try {
      await bounded(hook())
    } catch (error) {
      settings.logger.error({ err: error }, 'a close hook failed')
    }
  }
  if (hardDeadline.signal.aborted)
    settings.logger.error({}, `not closed after ${settings.deadlineMs} ms: forced`)
  hardDeadline.clear()
  await client.close()
}

async function publishDraining(
  departure: Departure,
  signal: AbortSignal,
): Promise<DeliveryReport | undefined> {
  const { settings, client, keeper } = departure
  const { lease } = keeper
  if (!lease) return undefined
  try {
    const ask = (): Promise<DeliveryReport> => client.drain(lease, settings.ackTimeoutMs, signal)
    return await retried(ask, settings.ackTimeoutMs, signal)
  } catch (error) {
    settings.logger.warn({ err: error }, 'could not publish DRAINING')
    return undefined
  }
}

async function deregister(departure: Departure, signal: AbortSignal): Promise<DeliveryReport | undefined> {
  const { settings, client, keeper } = departure
  const { lease, hasRegistered, instanceId } = keeper
  if (!hasRegistered) return undefined
  const { ackTimeoutMs } = settings
  const askGone = (): Promise<DeliveryReport> =>
    client.delivery({ service: settings.service, instanceId }, 'gone', ackTimeoutMs, signal)
  try {
    if (!lease) return await retried(askGone, ackTimeoutMs, signal)
    return await retried(() => client.deregister(lease, ackTimeoutMs, signal), ackTimeoutMs, signal).catch(
      error => {
        // Removed already, by someone else or by a try whose answer got lost: what counts is who still has us.
        if (error instanceof RegistryError && [404, 410].includes(error.status)) {
          return retried(askGone, ackTimeoutMs, signal)
        }
        throw error
      },
    )
  } catch (error) {
    settings.logger.warn({ err: error }, 'could not deregister; the lease will run out')
    return undefined
  }
}

function startDeadline(afterMs: number): { signal: AbortSignal; passed: Promise<void>; clear: () => void } {
  const abort = new AbortController()
  const passed = new Promise<void>(resolve => {
    abort.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const timer = setTimeout(() => abort.abort(new Error(`not done after ${afterMs} ms`)), afterMs)
  timer.unref()
  return { signal: abort.signal, passed, clear: () => clearTimeout(timer) }
}
