/** Reads the tables of the documents that tests compare with the code. */
import { readFileSync } from 'node:fs'

/** The cells of every table row whose first cell starts with a code span, without the backticks around whole cells. */
export function documentedRows(name: string): string[][] {
  return documentText(name)
    .split('\n')
    .filter(line => line.startsWith('| `'))
    .map(line => line.split('|').slice(1, -1))
    .map(cells => cells.map(cell => cell.trim().replace(/^`([^`]*)`$/, '$1')))
}

export function documentText(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
}
