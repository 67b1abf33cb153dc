/** Collects the rows of a run: printed as they come, and a Markdown table at the end. */
import { ratios, type Spread, spread } from './stats.ts'

export interface Row {
  readonly part: string
  readonly what: string
  readonly ours: string
  readonly peer: string
  readonly theirs: string
  readonly ratio: string
  readonly goal: string
  /** Undefined where there is no goal. */
  readonly isMet: boolean | undefined
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number }

/** A figure of one server, of Rollcall unless `what` says another, beside the same of a peer, sample by sample; less is better. */
export interface Comparison {
  readonly what: string
  readonly unit: string
  readonly ours: readonly number[]
  readonly peer: string
  readonly theirs: readonly number[]
  /** The greatest median ratio that is good enough. */
  readonly goal?: number | undefined
}

export class Report {
  readonly rows: Row[] = []
  #part = ''

  /** What follows belongs to this part. */
  part(name: string): void {
    this.#part = name
    console.log(`\n${name}`)
  }

  compare({ what, unit, ours, peer, theirs, goal }: Comparison): void {
    const ratio = ratios(ours, theirs)
    this.#add({
      what,
      ours: `${number(spread(ours).median)} ${unit}`,
      peer,
      theirs: `${number(spread(theirs).median)} ${unit}`,
      ratio: text(ratio),
      goal: goal === undefined ? '' : `≤ ${goal}`,
      isMet: goal === undefined ? undefined : ratio.median <= goal,
    })
  }

  /** A figure of Rollcall alone; its goal is for the median. */
  figure(what: string, samples: readonly number[], unit: string, goal?: Goal): void {
    const figure = spread(samples)
    this.#add({
      what,
      ours: `${samples.length > 1 ? text(figure) : number(figure.median)} ${unit}`,
      peer: '',
      theirs: '',
      ratio: '',
      goal: goal ? goalText(goal) : '',
      isMet: goal && ('atLeast' in goal ? figure.median >= goal.atLeast : figure.median <= goal.atMost),
    })
  }

  markdown(): string {
    const table = this.rows.map(({ part, what, ours, peer, theirs, ratio, goal, isMet }) => {
      const verdict = isMet === undefined ? '' : isMet ? 'met' : '**missed**'
      return `| ${[part, what, ours, peer, theirs, ratio, goal, verdict].join(' | ')} |`
    })
    const head = '| part | what | figure | peer | its figure | ratio: min, median, max | goal | |'
    return [head, '| --- | --- | --- | --- | --- | --- | --- | --- |', ...table].join('\n')
  }

  #add(row: Omit<Row, 'part'>): void {
    this.rows.push({ part: this.#part, ...row })
    const { what, ours, peer, theirs, ratio, goal, isMet } = row
    const verdict = isMet === undefined ? '' : `  ${goal} ${isMet ? 'met' : 'MISSED'}`
    const beside = peer ? `  ${peer} ${theirs}  ratio ${ratio}` : ''
    console.log(`${what.padEnd(62)} ${ours}${beside}${verdict}`)
  }
}

function goalText(goal: Goal): string {
  return 'atLeast' in goal ? `≥ ${number(goal.atLeast)}` : `≤ ${number(goal.atMost)}`
}

function text({ min, median, max }: Spread): string {
  return `${number(min)}, ${number(median)}, ${number(max)}`
}

/** Three digits that mean something. */
export function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(value >= 100 ? 3 : 2)))
}
