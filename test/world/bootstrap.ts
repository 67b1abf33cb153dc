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

export type ControlPlaneBootstrap = (typeof CONTROL_PLANE_BOOTSTRAPS)[number]

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

const PORT = ['address', 'socket_address', 'port_value'] as const
const FIRST_ENDPOINT = ['load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint'] as const

type Path = readonly (string | number)[]

/** A shipped bootstrap in which values are replaced that must be what they are expected to be. */
class Changed {
  readonly document: ReturnType<typeof parseDocument>
  readonly #name: string

  constructor(name: string) {
    this.#name = name
    this.document = parseDocument(readFileSync(bootstrapPath(name), 'utf8'))
  }

  replace(path: Path, expected: unknown, value: unknown): void {
    // A replacement that hits nothing would leave two Envoys on one port, or testing something else.
    const found = this.document.getIn(path)
    if (found !== expected) throw new Error(`${this.#name}: ${path.join('.')} is ${found}, not ${expected}`)
    this.document.setIn(path, value)
  }

  toString(): string {
    return this.document.toString()
  }
}

/** The text of a shipped bootstrap with other ports. */
export function bootstrapWith(
  name: Bootstrap,
  { serverPort, listenerPort = 0, nodeId, refreshDelay, requestTimeout, change }: BootstrapChanges,
): string {
  const file = new Changed(name)
  const clusters = ['static_resources', 'clusters'] as const
  file.replace(['admin', ...PORT], 9901, 0)
  file.replace(['static_resources', 'listeners', 0, ...PORT], 10000, listenerPort)
  file.replace([...clusters, 1, ...FIRST_ENDPOINT, ...PORT], isRest(name) ? 5000 : 8080, serverPort)
  const source = [...clusters, 0, 'eds_cluster_config', 'eds_config', 'api_config_source']
  if (refreshDelay !== undefined) file.replace([...source, 'refresh_delay'], '0.1s', refreshDelay)
  if (requestTimeout !== undefined) file.replace([...source, 'request_timeout'], '15s', requestTimeout)
  if (nodeId !== undefined) file.replace(['node', 'id'], 'test-id', nodeId)
  change?.(file.document)
  return file.toString()
}

/** The same of a bootstrap that gets everything from the control plane. */
export function controlPlaneBootstrapWith(
  name: ControlPlaneBootstrap,
  { serverPort, nodeId }: Pick<BootstrapChanges, 'serverPort' | 'nodeId'>,
): string {
  const file = new Changed(name)
  file.replace(['admin', ...PORT], 19000, 0)
  file.replace(['static_resources', 'clusters', 0, ...FIRST_ENDPOINT, ...PORT], 8080, serverPort)
  if (nodeId !== undefined) file.replace(['node', 'id'], 'test-id', nodeId)
  return file.toString()
}
