/** Work at a fixed rate from this process, whatever becomes of it; for calls that are not a plain GET (load.ts is). */
import { setTimeout as delay } from 'node:timers/promises'

export interface OpenLoop {
  /** Milliseconds from when a piece of work was due until it was done, of those that succeeded. */
  readonly doneMs: number[]
  /** How many failed. */
  failed: number
  /** Starts nothing new and waits for what is under way. */
  stop(): Promise<void>
}

export function openLoop(ratePerSecond: number, work: () => Promise<unknown>): OpenLoop {
  const everyMs = 1000 / ratePerSecond
  const underWay = new Set<Promise<void>>()
  let isOver = false
  const one = async (dueAt: number): Promise<void> => {
    try {
      await work()
      loop.doneMs.push(performance.now() - dueAt)
    } catch {
      // Counted; the scenario decides what it means.
      loop.failed += 1
    }
  }
  const run = async (): Promise<void> => {
    let dueAt = performance.now()
    while (!isOver) {
      for (; dueAt <= performance.now(); dueAt += everyMs) {
        const piece: Promise<void> = one(dueAt).then(() => void underWay.delete(piece))
        underWay.add(piece)
      }
      await delay(Math.max(dueAt - performance.now(), 0))
    }
    await Promise.all(underWay)
  }
  const running = run()
  const loop: OpenLoop = {
    doneMs: [],
    failed: 0,
    async stop() {
      isOver = true
      await running
    },
  }
  return loop
}
