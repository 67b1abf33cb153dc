import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parsePolicy, readPolicyFile } from '../../../eds-server/src/policy/policy-file.ts'
import { ROOT } from '../../../scripts/processes/programs.ts'

const REFUSALS: readonly [text: string, reason: RegExp][] = [
  ['services: []', /\/services: is not a list of service rules/],
  ['services: [{match: "a b"}]', /\/services\/0\/match: is not a service name in which "\*" stands/],
  ['services: [{match: "*", routs: []}]', /\/services\/0\/routs: there is no such field/],
  ['listeners: []', /services is missing/],
  [
    'services: [{match: "*", cluster: 3}]',
    /\/services\/0\/cluster: is not false, or a map of fields of Cluster/,
  ],
  [
    'services: [{match: "*", routes: [{prefix: x}]}]',
    /routes\/0\/prefix: is not a path that begins with "\/"/,
  ],
  ['listeners: [{name: a, port: 0}]\nservices: [{match: "*"}]', /listeners\/0\/port: is not a port/],
  [
    'listeners: [{name: a, port: 1}, {name: a, port: 2}]\nservices: [{match: "*"}]',
    /listeners\/1\/name: "a" is there twice/,
  ],
  ['services: [{match: "*", routes: [{listeners: [x]}]}]', /there is no listener "x"/],
  ['services: [{match: "*", routes: [{subset: {a: b}}]}]', /subset: its keys are not among the subsets/],
  ['[', /is not YAML/],
  ['services: &a [*a]', /is not a plain map: it has aliases/],
  ['null', /\/: is not a policy/],
]

describe('a policy file that is not one is refused by name and field', () => {
  for (const [text, reason] of REFUSALS) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => parsePolicy(text, 'policy.yaml'),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ROLLCALL_OPTION_INVALID')
          assert.match(error.message, /"policy.yaml"/)
          assert.match(error.message, reason)
          return true
        },
      )
    })
  }

  test('a file that is not there', () => {
    assert.throws(
      () => readPolicyFile('/nowhere/policy.yaml'),
      /--policy: "\/nowhere\/policy.yaml" cannot be read/,
    )
  })
})

test('the shipped policies are policies', () => {
  const folder = join(ROOT, 'envoy', 'policies')
  const files = readdirSync(folder)
  assert.deepEqual(files.sort(), ['front-proxy.yaml', 'sidecar.yaml'])
  for (const file of files) readPolicyFile(join(folder, file))
})
