/**
 * The shipped bootstraps as the tests run them: only ports are replaced, so that many Envoys run side by side and
 * what is tested is what is shipped.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { ROOT } from '../../scripts/processes/programs.ts'

export const BOOTSTRAPS = [
  'eds-grpc.yaml',
  'eds-delta-grpc.yaml',
  'ads-grpc.yaml',
  'ads-delta-grpc.yaml',
  'eds-grpc-no-health-checks.yaml',
  'eds-grpc-keep-passing-hosts.yaml',
] as const

export type Bootstrap = (typeof BOOTSTRAPS)[number]

/** The four ways of asking for endpoints; the other bootstraps vary the cluster. */
export const EDS_FORMS: readonly Bootstrap[] = BOOTSTRAPS.slice(0, 4)

export interface BootstrapChanges {
  /** The EDS server's gRPC port. */
  grpcPort: number
  /** Default 0: any free port, read back from the admin port. */
  listenerPort?: number | undefined
  nodeId?: string | undefined
}

export function bootstrapPath(name: Bootstrap): string {
  return join(ROOT, 'envoy', name)
}

/** The text of a shipped bootstrap with other ports. */
export function bootstrapWith(
  name: Bootstrap,
  { grpcPort, listenerPort = 0, nodeId }: BootstrapChanges,
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
  replace([...server, 'endpoint', ...port], 8080, grpcPort)
  if (nodeId !== undefined) replace(['node', 'id'], 'test-id', nodeId)
  return document.toString()
}
