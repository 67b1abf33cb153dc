/** The demo's fixed ports, which are those of the shipped bootstraps and of the README. */
import { createServer } from 'node:net'

export const UPSTREAM_PORTS = [8081, 8082, 8083] as const
export const TRAFFIC_PORT = 10000
export const ADMIN_PORT = 9901
export const GRPC_PORT = 8080
export const HTTP_PORT = 5000

const USES: ReadonlyMap<number, string> = new Map([
  [GRPC_PORT, 'the EDS server (gRPC)'],
  [HTTP_PORT, 'the EDS server (HTTP)'],
  ...UPSTREAM_PORTS.map(port => [port, 'an upstream'] as const),
  [TRAFFIC_PORT, 'Envoy'],
  [ADMIN_PORT, "Envoy's admin port"],
])

/** One line that names every port that is taken, or undefined. */
export async function portsInUse(): Promise<string | undefined> {
  const taken: string[] = []
  for (const [port, use] of USES) {
    if (!(await isFree(port))) taken.push(`${port} (needed for ${use})`)
  }
  if (taken.length === 0) return undefined
  const [are, them] = taken.length === 1 ? ['is', 'it'] : ['are', 'them']
  return `port ${taken.join(', ')} ${are} in use: stop what listens on ${them} and start the demo again`
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
