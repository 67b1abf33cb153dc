/**
 * One child process: started, its output kept, awaited by what it prints, stopped by its pid. Shared by the demo,
 * the benchmarks and the tests. No child outlives this process, however it ends (SIGKILL excepted).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { within } from './until.ts'

export interface ChildOptions {
  name: string
  command: string
  args: readonly string[]
  env?: Readonly<Record<string, string>> | undefined
  /** Where `<name>.log` is written as well; without it the output is kept in memory only. */
  logFolder?: string | undefined
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

const MEMORY_LINES = 2000
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export class Child implements AsyncDisposable {
  readonly name: string
  /** Resolves when the process has ended and its output is read to the end. Never rejects. */
  readonly exited: Promise<Exit>
  /** The last lines of stdout and stderr, in the order of arrival. */
  readonly lines: string[] = []
  readonly stderr: string[] = []
  readonly #process: ChildProcess
  readonly #log: WriteStream | undefined
  readonly #watchers = new Set<(line: string) => void>()
  #startError: Error | undefined
  #exit: Exit | undefined

  constructor({ name, command, args, env, logFolder }: ChildOptions) {
    this.name = name
    // A process group of its own: Ctrl-C in a terminal reaches us alone, and we stop the children in order.
    this.#process = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inheritedEnvironment(), ...env },
    })
    alive.add(this.#process)
    this.#log = logFolder === undefined ? undefined : createWriteStream(join(logFolder, `${name}.log`))
    this.#read(this.#process.stdout, line => this.#keep(this.lines, line))
    this.#read(this.#process.stderr, line => {
      this.#keep(this.stderr, line)
      this.#keep(this.lines, line)
    })
    this.#process.once('error', error => {
      this.#startError = error
    })
    this.exited = new Promise(resolve => {
      this.#process.once('close', (code, signal) => {
        alive.delete(this.#process)
        this.#exit = { code, signal }
        this.#log?.end()
        resolve(this.#exit)
      })
    })
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw this.#startError ?? new Error(`${this.name} did not start`)
    return this.#process.pid
  }

  get running(): boolean {
    return this.#exit === undefined
  }

  /**
   * Resolves with what `match` makes of the first line, past or future, for which it does not give undefined.
   * Throws, with the end of the output, when the process ends first or nothing matches by the deadline.
   */
  async line<T>(what: string, match: (line: string) => T | undefined, withinMs = 15_000): Promise<T> {
    for (const line of this.lines) {
      const found = match(line)
      if (found !== undefined) return found
    }
    let watcher: (line: string) => void = () => undefined
    const printed = new Promise<T>(resolve => {
      watcher = line => {
        const found = match(line)
        if (found !== undefined) resolve(found)
      }
      this.#watchers.add(watcher)
    })
    const ended = this.exited.then(exit => {
      throw new Error(`ended (${describeExit(exit)}) before: ${what}`)
    })
    ended.catch(() => undefined)
    try {
      return await within(withinMs, what, Promise.race([printed, ended]))
    } catch (error) {
      const reason = this.#startError?.message ?? (error as Error).message
      throw new Error(`${this.name}: ${reason}\n${this.tail()}`, { cause: error })
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  /** The last lines of output, indented, for an error message. */
  tail(count = 20): string {
    return this.lines
      .slice(-count)
      .map(line => `    ${line}`)
      .join('\n')
  }

  /** Reads its output no longer: to the process it is a broken pipe. */
  deafen(): void {
    this.#process.stdout?.destroy()
    this.#process.stderr?.destroy()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal)
  }

  /** Sends `signal` and waits for the end; SIGKILL, and an error, when it is not over within `withinMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', withinMs = 15_000): Promise<Exit> {
    this.signal(signal)
    try {
      return await within(withinMs, `${this.name} to end on ${signal}`, this.exited)
    } catch (error) {
      this.signal('SIGKILL')
      throw error
    }
  }

  /** Ends it without ceremony; also works for a stopped (SIGSTOP) process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  #read(stream: NodeJS.ReadableStream | null, keep: (line: string) => void): void {
    if (stream) createInterface({ input: stream }).on('line', keep)
  }

  #keep(into: string[], line: string): void {
    into.push(line)
    if (into.length > MEMORY_LINES) into.shift()
    if (into !== this.lines) return
    this.#log?.write(`${line}\n`)
    for (const watcher of this.#watchers) watcher(line)
  }
}

/** The caller's own settings of the programs must not reach the ones started here. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('ROLLCALL_') && name !== 'EDS_SERVER_PORT' && name !== 'NODE_TEST_CONTEXT',
    ),
  )
}

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit ${code}` : `killed by ${signal}`
}
