/** The server with a copy of envoy/resources, an Envoy that gets everything from it, and the upstream that they name. */
import type { EdsServer, Envoy } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import type { ControlPlaneBootstrap } from './bootstrap.ts'
import { Backend } from './control-plane.ts'
import { get } from './front.ts'
import { sampleResources } from './resource-files.ts'
import { freePort, type World } from './world.ts'

export interface DynamicScene {
  readonly registry: EdsServer
  readonly envoy: Envoy
  /** Of the listener that the samples have. */
  readonly port: number
  readonly url: string
  /** The copy of envoy/resources. */
  readonly directory: string
}

/** Resolves when the samples' upstream, which answers `example`, does so through Envoy. */
export async function startDynamicScene(
  world: World,
  bootstrap: ControlPlaneBootstrap,
  args: readonly string[] = [],
): Promise<DynamicScene> {
  const upstream = world.keep(await Backend.start('example'))
  const port = await freePort()
  const directory = sampleResources(world.folder, { listenerPort: port, upstreamPort: upstream.port })
  const registry = await world.startRegistry({ args: ['--resources', directory, ...args] })
  const envoy = await world.startDynamicEnvoy({ registry, bootstrap })
  const url = `http://127.0.0.1:${port}/`
  await answers(url, 'example')
  return { registry, envoy, port, url, directory }
}

/** Resolves when a GET of the URL is answered 200 with the body. */
export async function answers(url: string, body: string): Promise<void> {
  await until(`${url} answers ${body}`, async () => {
    const answer = await get(url)
    if (answer.status === 200 && answer.body === body) return true
    throw new Error(`${answer.status} ${answer.body}`)
  })
}

export interface TypeState {
  typeUrl: string
  state: string
  nack?: { message: string; resources: string[] }
}

/** Where each connected client stands with each type, by `GET /v1/nodes`. */
export async function nodesOf({ url }: { url: string }): Promise<{ node: string; types: TypeState[] }[]> {
  const answer = await fetch(`${url}/v1/nodes`)
  return ((await answer.json()) as { nodes: { node: string; types: TypeState[] }[] }).nodes
}

/** Resolves when there is a client and every one has accepted all that it was told. */
export async function inSync(registry: { url: string }): Promise<void> {
  await until('every client is in sync', async () => {
    const types = (await nodesOf(registry)).flatMap(node => node.types)
    if (types.length > 0 && types.every(({ state }) => state === 'SYNCED')) return true
    throw new Error(JSON.stringify(types))
  })
}
