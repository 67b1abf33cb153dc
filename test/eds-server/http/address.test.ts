import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import {
  type AddressPolicyOptions,
  createAddressPolicy,
  isCidr,
} from '../../../eds-server/src/http/address.ts'
import { canonicalAddress, embeddedIpv4, parseHostPort } from '../../../eds-server/src/http/address-text.ts'

function policy(change: Partial<AddressPolicyOptions> = {}) {
  return createAddressPolicy({
    loopbackOnly: false,
    ownPorts: () => [5000, 8080],
    ownAddresses: () => ['10.0.0.9', 'fd00::9'],
    ...change,
  })
}

function refusedWith(run: () => unknown, code: string, field: string, value: unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof RollcallError)
    assert.deepEqual([error.code, error.field, error.value], [code, field, value], error.message)
    assert.ok(error.message.includes(field) && error.message.includes(JSON.stringify(value)), error.message)
    return true
  })
}

const NOT_LITERAL = [
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '127.1',
  '[::1]',
  'fe80::1%eth0',
  '::1%lo',
  'localhost',
  '10.0.0.1:80',
  '10.0.0.1 ',
  '１０.0.0.1',
  '',
]

for (const address of NOT_LITERAL) {
  test(`${JSON.stringify(address)} is no address (F58)`, () => {
    refusedWith(() => policy()(address, 80), 'ROLLCALL_INVALID_ARGUMENT', 'address', address)
  })
}

const ALWAYS_REFUSED = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  'fe80::1',
  'febf::1',
  'fd00:ec2::254',
  'FD00:0EC2:0::254',
  'ff02::1',
  '::ffff:169.254.169.254',
  '::FFFF:a9fe:a9fe',
  '0:0:0:0:0:ffff:169.254.169.254',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '::ffff:0.0.0.0',
]

for (const address of ALWAYS_REFUSED) {
  test(`${address} is refused, whatever is allowed (F58)`, () => {
    const open = policy({ loopbackOnly: true, allow: ['0.0.0.0/0', '::/0'] })
    refusedWith(() => open(address, 80), 'ROLLCALL_ADDRESS_REFUSED', 'address', address)
  })
}

test('loopback is allowed only while the registry itself is loopback-bound', () => {
  for (const address of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1', '64:ff9b::127.0.0.1']) {
    const open = policy({ allow: ['0.0.0.0/0', '::/0'] })
    refusedWith(() => open(address, 80), 'ROLLCALL_ADDRESS_REFUSED', 'address', address)
    policy({ loopbackOnly: true })(address, 80)
  }
})

test('by default RFC 1918 and fc00::/7 are allowed, and nothing else', () => {
  for (const address of ['10.1.2.3', '172.16.0.1', '172.31.255.254', '192.168.1.1', 'fd12::1', 'fc00::1']) {
    assert.equal(policy()(address, 80), address)
    assert.equal(policy({ loopbackOnly: true })(address, 80), address)
  }
  for (const address of [
    '8.8.8.8',
    '172.32.0.1',
    '11.0.0.1',
    '2001:db8::1',
    '100.64.0.1',
    '::2',
    '::8.8.8.8',
  ]) {
    refusedWith(() => policy()(address, 80), 'ROLLCALL_ADDRESS_REFUSED', 'address', address)
  }
})

test('an allow-list takes the place of the default one', () => {
  const strict = policy({ allow: ['100.64.0.0/10'] })
  assert.equal(strict('100.64.0.1', 80), '100.64.0.1')
  refusedWith(() => strict('10.0.0.1', 80), 'ROLLCALL_ADDRESS_REFUSED', 'address', '10.0.0.1')
})

test('port 0, administration ports and own ports are refused', () => {
  for (const port of [0, 9901, 2379, 2380]) {
    refusedWith(() => policy()('10.0.0.1', port), 'ROLLCALL_ADDRESS_REFUSED', 'port', port)
  }
  for (const address of ['10.0.0.9', 'fd00::9', '::ffff:10.0.0.9', '64:ff9b::10.0.0.9']) {
    refusedWith(() => policy()(address, 5000), 'ROLLCALL_ADDRESS_REFUSED', 'port', 5000)
  }
  const local = policy({ loopbackOnly: true })
  for (const address of ['127.0.0.1', '::1', '127.3.4.5', '10.0.0.9']) {
    refusedWith(() => local(address, 8080), 'ROLLCALL_ADDRESS_REFUSED', 'port', 8080)
  }
})

test('the port of this registry is free for other machines, and administration ports can be named', () => {
  assert.equal(policy()('10.0.0.8', 8080), '10.0.0.8')
  const named = policy({ adminPorts: [15000] })
  assert.equal(named('10.0.0.8', 9901), '10.0.0.8')
  refusedWith(() => named('10.0.0.8', 15000), 'ROLLCALL_ADDRESS_REFUSED', 'port', 15000)
})

test('the refusal names the field that the caller knows', () => {
  const fields = { address: 'endpoint', port: 'endpoint' }
  assert.throws(() => policy()('10.0.0.1', 0, fields), { field: 'endpoint' })
  assert.throws(() => policy()('8.8.8.8', 1, fields), { field: 'endpoint' })
  assert.throws(() => policy()('x', 1, fields), { field: 'endpoint' })
})

test('each address has one spelling', () => {
  const spellings: [string, string][] = [
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0A00:0001', '10.0.0.1'],
    ['0:0:0:0:0:FFFF:10.0.0.1', '10.0.0.1'],
    ['fd00::10.0.0.1', 'fd00::a00:1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['10.0.0.1', '10.0.0.1'],
  ]
  for (const [given, canonical] of spellings) assert.equal(canonicalAddress(given, 'address'), canonical)
})

test('the IPv4 address inside NAT64 and 6to4 is found in every spelling', () => {
  assert.equal(embeddedIpv4('64:ff9b::a00:1'), '10.0.0.1')
  assert.equal(embeddedIpv4('2002:a00:1::5'), '10.0.0.1')
  assert.equal(embeddedIpv4('fd00::1'), undefined)
  assert.equal(embeddedIpv4('10.0.0.1'), undefined)
})

test('a canonical address is an address, and its own canonical form', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const canonical = canonicalAddress(text, 'address')
      assert.notEqual(isIP(canonical), 0)
      assert.equal(canonicalAddress(canonical, 'address'), canonical)
    }),
  )
})

test('no spelling of a metadata address passes', () => {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), fc.boolean(), (third, fourth, upper) => {
      const low = `${hex(third)}${hex(fourth)}`
      const spellings = [
        `169.254.${third}.${fourth}`,
        `::ffff:169.254.${third}.${fourth}`,
        `::ffff:a9fe:${low}`,
        `64:ff9b::a9fe:${low}`,
        `2002:a9fe:${low}::`,
      ]
      const open = policy({ loopbackOnly: true, allow: ['0.0.0.0/0', '::/0'] })
      for (const text of spellings) {
        assert.throws(() => open(upper ? text.toUpperCase() : text, 80), { code: 'ROLLCALL_ADDRESS_REFUSED' })
      }
    }),
  )
})

test('host and port as one text', () => {
  assert.deepEqual(parseHostPort('127.0.0.1:8081', 'endpoint'), { address: '127.0.0.1', port: 8081 })
  assert.deepEqual(parseHostPort('[FD00::1]:8081', 'endpoint'), { address: 'fd00::1', port: 8081 })
  const wrong = [
    '127.0.0.1',
    '127.0.0.1:',
    ':80',
    '::1:80',
    '[127.0.0.1]:80',
    '1.2.3.4:65536',
    '1.2.3.4:-1',
    'host:80',
  ]
  for (const text of [
    ...wrong,
    '[::1]',
    '[fe80::1%lo]:80',
    '1.2.3.4:8 0',
    '1.2.3.4:80/x',
    '',
    '1.2.3.4:0x50',
  ]) {
    refusedWith(() => parseHostPort(text, 'endpoint'), 'ROLLCALL_INVALID_ARGUMENT', 'endpoint', text)
  }
})

test('ranges', () => {
  for (const text of ['10.0.0.0/8', '::/0', 'fd00::/8', '1.2.3.4/32']) assert.ok(isCidr(text), text)
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    'x/8',
    '::1%lo/8',
    '10.0.0.0/8/8',
    '/8',
  ]) {
    assert.ok(!isCidr(text), text)
  }
})
