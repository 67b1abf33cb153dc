/**
 * The shipped bootstraps as the tests run them: only ports are replaced, so that many Envoys run side by side and
 * what is tested is what is shipped.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Document, parseDocument } from 'yaml'
import { findEnvoy } from '../../scripts/envoy-binary.mjs'
import { ROOT } from '../../scripts/processes/programs.ts'

export const BOOTSTRAPS = [
  'eds-grpc.yaml',
  'eds-delta-grpc.yaml',
  'ads-grpc.yaml',
  'ads-delta-grpc.yaml',
  'eds-rest.yaml',
  'eds-grpc-no-health-checks.yaml',
  'eds-grpc-keep-passing-hosts.yaml',
] as const

export type Bootstrap = (typeof BOOTSTRAPS)[number]

/** Those that get everything from the control plane; they have no listener or cluster of their own. */
export const CONTROL_PLANE_BOOTSTRAPS = ['control-plane.yaml', 'control-plane-delta.yaml'] as const

/** The ways of asking for endpoints; the other bootstraps vary the cluster. */
export const EDS_FORMS: readonly Bootstrap[] = BOOTSTRAPS.slice(0, 5)

export interface BootstrapChanges {
  /** The EDS server's gRPC port; for a bootstrap that asks over REST its HTTP port. */
  serverPort: number
  /** Default 0: any free port, read back from the admin port. */
  listenerPort?: number | undefined
  nodeId?: string | undefined
  /** Of a bootstrap that asks over REST. */
  refreshDelay?: string | undefined
  requestTimeout?: string | undefined
  /** Anything else: made last. */
  change?: BootstrapChange | undefined
}

/** Edits a bootstrap in place. */
export type BootstrapChange = (bootstrap: Document) => void

/** True for a bootstrap that asks over REST. */
export function isRest(name: Bootstrap): boolean {
  return name.includes('rest')
}

export function bootstrapPath(name: string): string {
  return join(ROOT, 'envoy', name)
}

/** What Envoy says of a bootstrap that it would start with; fails where it would not, or warns. */
export async function validated(path: string): Promise<string> {
  const envoy = findEnvoy()
  assert.ok(envoy, 'no Envoy: run node scripts/setup.mjs --envoy')
  const args = ['--mode', 'validate', '--disable-hot-restart', '-l', 'warning', '-c', path]
  const { stdout, stderr } = await promisify(execFile)(envoy, args)
  assert.doesNotMatch(stderr, /deprecated|warning/i)
  return stdout
}

/** The text of a shipped bootstrap with other ports. */
export function bootstrapWith(
  name: Bootstrap,
  { serverPort, listenerPort = 0, nodeId, refreshDelay, requestTimeout, change }: BootstrapChanges,
): string {
  const document = parseDocument(readFileSync(bootstrapPath(name), 'utf8'))
  const replace = (path: readonly (string | number)[], expected: unknown, value: unknown): void => {
    // A replacement that hits nothing would leave two Envoys on one port, or testing something else.
    const found = document.getIn(path)
    if (found !== expected) throw new Error(`${name}: ${path.join('.')} is ${found}, not ${expected}`)
    document.setIn(path, value)
  }
  const port = ['address', 'socket_address', 'port_value'] as const
  replace(['admin', ...port], 9901, 0)
  replace(['static_resources', 'listeners', 0, ...port], 10000, listenerPort)
  const server = [
    'static_resources',
    'clusters',
    1,
    'load_assignment',
    'endpoints',
    0,
    'lb_endpoints',
    0,
  ] as const
  replace([...server, 'endpoint', ...port], isRest(name) ? 5000 : 8080, serverPort)
  const source = ['static_resources', 'clusters', 0, 'eds_cluster_config', 'eds_config', 'api_config_source']
  if (refreshDelay !== undefined) replace([...source, 'refresh_delay'], '0.1s', refreshDelay)
  if (requestTimeout !== undefined) replace([...source, 'request_timeout'], '15s', requestTimeout)
  if (nodeId !== undefined) replace(['node', 'id'], 'test-id', nodeId)
  change?.(document)
  return document.toString()
}
