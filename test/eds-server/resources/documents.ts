/** Documents as tests write them, and what they are refused with. */
import assert from 'node:assert/strict'
import type { JsonValue } from '@bufbuild/protobuf'
import { RollcallError } from '../../../eds-server/src/errors.ts'
import { Admission } from '../../../eds-server/src/resources/admission.ts'
import type { Placed } from '../../../eds-server/src/resources/placed.ts'

type Document = Record<string, JsonValue>

export const admission: Admission = new Admission({ secretsAllowed: true })

export function clusterNamed(name: string, more: Document = {}): Document {
  return { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name, ...more }
}

export function routesTo(name: string, cluster: string): Document {
  return {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name,
    virtual_hosts: [
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] },
    ],
  }
}

export function listenerWith(manager: Document, name = 'listener'): Document {
  const config = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'http',
    rds: { route_config_name: 'routes', config_source: { ads: {} } },
    ...manager,
  }
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 10000 } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: config }] }],
  }
}

export function secretNamed(name: string): Document {
  return {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
    name,
    tls_certificate: {
      certificate_chain: { inline_string: 'chain' },
      private_key: { inline_string: 'PRIVATE' },
    },
  }
}

export function placed(document: unknown, { group = '', source = 'test' } = {}): Placed {
  return { group, source, resource: admission.json(document, source) }
}

/** The document as a `google.protobuf.Any`. */
export function anyOf(document: Parameters<typeof admission.json>[0]): { type_url: string; value: Buffer } {
  const { kind, resource } = admission.json(document, '')
  const header = 2 + kind.type.typeUrl.length
  const value = resource.any.subarray(header)
  // The field's key, then its length as a varint.
  const lengthBytes = value.subarray(1).findIndex(byte => byte < 128) + 1
  return { type_url: kind.type.typeUrl, value: value.subarray(1 + lengthBytes) }
}

/** Asserts a refusal whose message has every part. */
export function refused(work: () => unknown, code: string, ...parts: readonly string[]): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof RollcallError, String(error))
    assert.equal(error.code, code, error.message)
    for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`)
    return true
  })
}
