/** The entrypoint of the Envoy image: what it hands on, and what it says of wrong variables. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { parseServiceName } from '../../eds-server/src/http/names.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { configOf, GOOD, run, type Variables } from '../world/entrypoint.ts'
import { IMAGE } from '../world/image.ts'

/** What the complaint says is allowed, and values that are not. */
const VARIABLES: Record<string, { allowed: string; wrong: string[] }> = {
  SERVICE_NAME: {
    allowed: 'a service name: 1 to 253 of ',
    wrong: [
      ...[
        '',
        'a b',
        '-a',
        'a.',
        'a/b',
        'ä',
        'repo',
        'Constructor',
        '"',
        'a"\n  - x: y',
        '\u0024{TZ}',
        '\u001b[31m',
      ],
      `a${'b'.repeat(253)}`,
    ],
  },
  ROLLCALL_SERVER: {
    allowed: 'the host name or the IP address of the EDS server, without a port',
    wrong: [
      ...['', 'eds server', 'eds-server:8080', 'http://eds', 'a|b', 'a&b', 'a\\b', '[::1]', 'fd00:1', ':::'],
      ...['::1%eth0', '1:2:', '1:2:3:4:5:6:7:', '::1::'],
    ],
  },
  ROLLCALL_GRPC_PORT: {
    allowed: 'a port, 1 to 65535',
    wrong: ['0', '080', '65536', '99999999999999999999', '-1', '80a', '8 0', '8\n0'],
  },
  ENVOY_LB_ALG: {
    allowed: 'ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV',
    wrong: [
      'round_robin',
      'ROUND_ROBIN ',
      'ROUND_ROBIN\n',
      'ROUND',
      'CLUSTER_PROVIDED',
      'ORIGINAL_DST_LB',
      '*',
    ],
  },
  TZ: {
    allowed: 'UTC, or a time zone of /usr/share/zoneinfo, such as Asia/Shanghai',
    wrong: [
      ...['Asia/Shangai', 'Asia', '/etc/passwd', '../zoneinfo/UTC', 'zone.tab', 'tzdata.zi', 'leapseconds'],
      ...['Asia/Shanghai\n', ':UTC', 'CST-8'],
    ],
  },
}

describe('the entrypoint', () => {
  test('hands its arguments and the time zone on to Envoy', () => {
    assert.equal(run(GOOD, { args: ['-l', 'debug', 'a b'] }).stdout, 'UTC\n-l\ndebug\na b\n')
    assert.equal(run({ ...GOOD, TZ: 'Asia/Shanghai' }).stdout, 'Asia/Shanghai\n')
    assert.equal(run({ ...GOOD, TZ: '' }).stdout, 'UTC\n')
  })

  for (const [variable, { allowed, wrong }] of Object.entries(VARIABLES)) {
    for (const value of wrong) {
      test(`refuses ${variable}=${JSON.stringify(value.slice(0, 30))} in one line and starts no Envoy`, () => {
        const { status, stdout, stderr, config } = run({ ...GOOD, [variable]: value })
        assert.deepEqual([status, stdout, config], [2, '', undefined])
        const bytes = Buffer.from(value).subarray(0, 100).toString('latin1')
        const shown = bytes.replaceAll(/[^ -~]/g, '?')
        const start = `docker-entrypoint.sh: ${variable} is "${shown}"; allowed: ${allowed}`
        assert.equal(stderr.slice(0, start.length), start)
        assert.match(stderr, /^[ -~]+\n$/)
      })
    }
  }

  for (const variable of ['SERVICE_NAME', 'ROLLCALL_SERVER'] as const) {
    test(`refuses to start without ${variable}`, () => {
      const { [variable]: _, ...others } = GOOD as Variables
      const { status, stderr, config } = run(others)
      assert.deepEqual([status, config], [2, undefined])
      assert.match(stderr, new RegExp(`^docker-entrypoint.sh: ${variable} is ""; allowed: [^\\n]+\\n$`))
    })
  }

  test('takes the services that the registry takes, and writes them alike', () => {
    const long = 'a'.repeat(253)
    for (const name of [
      'a',
      'MyService',
      'a.b-c_d',
      'a-_.b',
      '0',
      'REPO',
      'prototype',
      '_a',
      'a_',
      'İ',
      long,
      `${long}a`,
    ]) {
      const { config } = run({ ...GOOD, SERVICE_NAME: name })
      const taken = config && parse(config).static_resources.clusters[0].eds_cluster_config.service_name
      let registered: string | undefined
      try {
        registered = parseServiceName(name)
      } catch (error) {
        assert.match(String(error), /service name/)
      }
      assert.equal(taken, registered, name)
    }
  })

  test('takes names and addresses of both families', () => {
    for (const server of [
      'eds-server',
      'eds_server.internal',
      '10.0.0.1',
      '::',
      '::1',
      'fd00::a:b',
      '1:2:3:4:5:6:7:8',
    ]) {
      assert.ok(
        configOf({ ...GOOD, ROLLCALL_SERVER: server }).includes(`{ address: "${server}", port_value: 8080 }`),
      )
    }
  })

  test('names all its variables in its header and in the README', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const [header = ''] = readFileSync(join(IMAGE, 'docker-entrypoint.sh'), 'utf8').split('set -eu')
    for (const variable of Object.keys(VARIABLES)) {
      assert.match(header, new RegExp(`^# ${variable} `, 'm'))
      assert.match(readme, new RegExp(`^\\| \`${variable}\` +\\|`, 'm'))
    }
  })
})
