import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourcesIn } from '../../../eds-server/src/resources/document.ts'
import { admission, clusterNamed, refused } from './documents.ts'

const CLUSTER = '"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster'
const named = (text: string) =>
  resourcesIn(text, 'f.yaml', admission).map(({ kind, name }) => `${kind.plural} ${name}`)

function refusedText(text: string, ...parts: readonly string[]): void {
  refused(() => resourcesIn(text, 'f.yaml', admission), 'ROLLCALL_INVALID_ARGUMENT', 'f.yaml', ...parts)
}

test('one document, several, a list as Envoy reads it, and JSON', () => {
  assert.deepEqual(named(`${CLUSTER}\nname: a`), ['clusters a'])
  assert.deepEqual(named(`---\n${CLUSTER}\nname: a\n---\n---\n${CLUSTER}\nname: b`), [
    'clusters a',
    'clusters b',
  ])
  const list = { version_info: '1', resources: [clusterNamed('a'), clusterNamed('b')] }
  assert.deepEqual(named(JSON.stringify(list, undefined, '\t')), ['clusters a', 'clusters b'])
})

test('words stay words: no and on are texts, as YAML 1.2 has it', () => {
  assert.deepEqual(named(`${CLUSTER}\nname: no`), ['clusters no'])
  refusedText(`${CLUSTER}\nname: a\nignore_health_on_host_removal: on`, '"on" is not true or false')
})

test('document and path of what is wrong are named', () => {
  refusedText(`---\n${CLUSTER}\nname: a\n---\n${CLUSTER}\nnam: b`, 'f.yaml, document 2: /nam: is not a field')
  refusedText(JSON.stringify({ resources: [clusterNamed('a'), { x: 1 }] }), '/resources/1/@type: is missing')
  refusedText(JSON.stringify({ resources: 5 }), '/resources: is not a list')
  refusedText(JSON.stringify({ resources: [], clusters: [] }), '/clusters: is not taken beside resources')
})

test('a name twice in one file', () => {
  refusedText(`---\n${CLUSTER}\nname: a\n---\n${CLUSTER}\nname: a`, '"a" is in this file twice (clusters)')
})

test('an empty file is an error: somebody is writing it', () => {
  for (const text of ['', '\n', '# nothing yet\n', '---\n---\n']) refusedText(text, 'holds no document')
})

test('what is no YAML, a tag, a key twice', () => {
  refusedText(`${CLUSTER}\nname: "a`, 'is not YAML', 'line 2')
  refusedText(`${CLUSTER}\nname: !!js/function x`, 'tag')
  refusedText(`${CLUSTER}\nname: !!binary aGVsbG8=`, 'tag')
  refusedText(`${CLUSTER}\nname: a\nname: b`, 'unique')
})

test('aliases are taken, bombs of aliases are not, nor what never ends', () => {
  const text = `${CLUSTER}\nname: &n a\nalt_stat_name: *n`
  assert.deepEqual(named(text), ['clusters a'])
  const level = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(`*${of}`).join(',')}]`
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    level('b', 'a'),
    level('c', 'b'),
    level('d', 'c'),
    level('e', 'd'),
  ]
  refusedText(bomb.join('\n'), 'alias')
  // Few aliases of much: below the parser's limit, above that of values.
  const wide = `a: &a [${Array(5000).fill(0).join(',')}]\nb: [${Array(90).fill('*a').join(',')}]`
  refusedText(`${CLUSTER}\nname: a\nmetadata:\n${wide.replaceAll(/^/gm, '  ')}`, '100000 values')
  refusedText(`${CLUSTER}\nname: a\nmetadata: &m { filter_metadata: *m }`, 'nested deeper')
})

test('nesting that ends a parser ends nothing here', () => {
  for (const text of ['['.repeat(100_000), '{a: '.repeat(50_000), '- '.repeat(50_000)]) {
    refusedText(text, 'nested too deeply')
  }
})
