/** Thousands of Envoys' worth of discovery streams, held by a process of their own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface CrowdProgress {
  /** Clients that have an answer on the connection that they have now. */
  inSync: number
  /** Connections that ended after an answer. */
  lost: number
}

export class Crowd implements AsyncDisposable {
  readonly #process: ChildProcess

  constructor(grpcPort: number, count: number, service: string) {
    const args = [String(grpcPort), String(count), service]
    const execArgv = ['--import', 'tsx']
    this.#process = fork(join(import.meta.dirname, 'crowd-process.ts'), args, { execArgv, detached: true })
  }

  async progress(): Promise<CrowdProgress> {
    const answer = once(this.#process, 'message')
    this.#process.send('progress')
    const [progress] = (await answer) as [CrowdProgress]
    return progress
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit')
  }
}
