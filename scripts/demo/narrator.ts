/**
 * The demo's output: one line per step with what came of it, and a line in between for whatever takes longer than
 * a second. Plain text without control characters except for colour, and that on a terminal only.
 */
const SLOW_MS = 1000

export class Narrator {
  #isQuiet = false
  readonly #colours: boolean = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR

  /**
   * Runs `work` and prints `ok    title: <first line that work resolved with>` and its other lines below, or
   * `FAIL  title` before it rejects.
   */
  async step(title: string, work: () => Promise<readonly string[]>): Promise<void> {
    const startedAt = performance.now()
    const slow = setTimeout(() => this.progress(`${title} …`), SLOW_MS)
    try {
      const [outcome, ...details] = await work()
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      this.#print(32, 'ok', `${title}: ${outcome} ${this.#paint(2, `(${seconds} s)`)}`)
      for (const line of details) this.say(`        ${line}`)
    } catch (error) {
      this.#print(31, 'FAIL', title)
      throw error
    } finally {
      clearTimeout(slow)
    }
  }

  progress(text: string): void {
    this.#print(2, '..', text)
  }

  /** Steps that are under way say nothing of how they end: they were interrupted. */
  leaveSteps(): void {
    this.#isQuiet = true
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  #print(colour: number, mark: string, text: string): void {
    if (this.#isQuiet) return
    process.stdout.write(`${this.#paint(colour, mark.padEnd(4))}  ${text}\n`)
  }

  #paint(colour: number, text: string): string {
    return this.#colours ? `\u001b[${colour}m${text}\u001b[0m` : text
  }
}
