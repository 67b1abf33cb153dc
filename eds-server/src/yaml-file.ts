/** YAML of the options' kind: plain maps, lists and scalars, without aliases. */
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'

/** What is thrown of a file, from the predicate that is wrong with it: `cannot be read`. */
export type Refusal = (reason: string, cause: unknown) => Error

/** The value that is written in the file. */
export function readYamlFile(path: string, refusal: Refusal): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw refusal('cannot be read', cause)
  }
  return parseYaml(text, refusal)
}

export function parseYaml(text: string, refusal: Refusal): unknown {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw refusal(`is not YAML: ${error.message.split('\n')[0]}`, error)
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw refusal('is not a plain map: it has aliases', cause)
  }
}
