/**
 * Scaling out, as a user sees it: a service of one instance gets a second one, and requests go through a real Envoy
 * one after another until the new instance answers one. From the moment its registration is sent; Envoy's first
 * health check of it and its turn in the load balancing are included.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import { addressOf } from '../address.ts'
import { Api } from '../alone/api.ts'
import { startServer } from '../servers.ts'
import { SERVICE, withEnvoy } from './shipped.ts'

const BOOTSTRAP = 'ads-delta-grpc.yaml'
const STANDING = 1
const PATIENCE_MS = 10_000
const ANSWERED_BY = 'x-instance'

/** Milliseconds, of so many instances that come and go one after another. */
export async function firstRequests(instances: number): Promise<number[]> {
  const server = await startServer()
  const api = new Api(server.httpPort)
  const standing = await listen(STANDING)
  const samples: number[] = []
  await register(api, STANDING, standing)
  await withEnvoy(BOOTSTRAP, server, async ({ admin }) => {
    const port = await admin.listenerPort()
    const caller = new Agent({ connections: 1, pipelining: 1 })
    await answeredBy(caller, port, STANDING)
    for (let index = STANDING + 1; index <= STANDING + instances; index += 1) {
      samples.push(await comeAndGo(api, caller, port, index))
    }
    await caller.close()
  })
  await api.close()
  standing.close()
  standing.closeAllConnections()
  await server.stop()
  return samples
}

async function comeAndGo(api: Api, caller: Agent, port: number, index: number): Promise<number> {
  const instance = await listen(index)
  const startedAt = performance.now()
  const [lease] = await Promise.all([register(api, index, instance), answeredBy(caller, port, index)])
  const elapsed = performance.now() - startedAt
  await api.deregister(lease)
  instance.close()
  instance.closeAllConnections()
  return elapsed
}

/** An instance answers everything, health checks too. */
async function listen(index: number): Promise<Server> {
  const server = createServer((_, response) => response.setHeader(ANSWERED_BY, `${index}`).end())
  server.listen(0, addressOf(index))
  await once(server, 'listening')
  return server
}

function register(api: Api, index: number, instance: Server): ReturnType<Api['register']> {
  return api.register(SERVICE, index, 1, (instance.address() as AddressInfo).port)
}

/** Sends requests through Envoy until that instance answers one. */
async function answeredBy(caller: Agent, port: number, index: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const { headers, body } = await request(`http://127.0.0.1:${port}/`, { dispatcher: caller })
    await body.dump()
    if (headers[ANSWERED_BY] === `${index}`) return
    if (performance.now() > deadline) throw new Error(`instance ${index} answered no request`)
  }
}
