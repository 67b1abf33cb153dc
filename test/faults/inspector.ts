/** Runs a script inside a real server, through V8's inspector, which SIGUSR1 opens on a running Node. */
import { WebSocket } from 'undici'
import type { Child } from '../../scripts/processes/child.ts'
import { within } from '../../scripts/processes/until.ts'

/** The environment of a server whose inspector opens on a free port, and on none before SIGUSR1. */
export const INSPECTABLE: Readonly<Record<string, string>> = { NODE_OPTIONS: '--inspect-port=0' }

/** Resolves when the script has run. */
export async function evaluate(child: Child, expression: string, withinMs = 60_000): Promise<void> {
  child.signal('SIGUSR1')
  const url = await child.line('the inspector', line => /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(line)?.[0])
  const socket = new WebSocket(url)
  const done = new Promise<void>((resolve, reject) => {
    socket.addEventListener('error', event => reject(new Error(`inspector: ${event.message}`)), {
      once: true,
    })
    socket.addEventListener('message', () => resolve(), { once: true })
    socket.addEventListener('open', () => {
      socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
    })
  })
  try {
    await within(withinMs, 'the script to run', done)
  } finally {
    socket.close()
  }
}
