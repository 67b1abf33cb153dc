/**
 * npm run scene: the REST walk on this machine, step by step: an Envoy that polls, five upstreams that nobody
 * registered, an EDS server that comes, goes and comes back knowing nothing. Exit code 0 when every step was as
 * promised, else 1. `envoy/compose.yaml` sets the same stage in containers.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Narrator } from './demo/narrator.ts'
import { portsInUse, TRAFFIC_PORT } from './demo/ports.ts'
import { startLoad } from './processes/load.ts'
import { describeReport } from './processes/load-report.ts'
import {
  type EdsServer,
  type Envoy,
  ROOT,
  startEdsServer,
  startEnvoy,
  startUpstream,
  type Upstream,
} from './processes/programs.ts'
import { until } from './processes/until.ts'

const FRONT = `http://127.0.0.1:${TRAFFIC_PORT}/`
const PORTS = [8081, 8082, 8083, 8084, 8085]

const narrator = new Narrator()
const logFolder = mkdtempSync(join(tmpdir(), 'rollcall-scene-'))
const started: AsyncDisposable[] = []
const upstreams: Upstream[] = []
let envoy: Envoy
let server: EdsServer

function own<Program extends AsyncDisposable>(program: Program): Program {
  started.push(program)
  return program
}

async function front(): Promise<string> {
  const answer = await fetch(FRONT)
  return `${answer.status} ${await answer.text()}`
}

async function put(method: 'POST' | 'PUT', ports: readonly number[]): Promise<string> {
  const tags = { az: 'us-central1-a', canary: false, load_balancing_weight: 50 }
  const hosts = ports.map(port => ({ ip_address: '127.0.0.1', port, tags }))
  const answer = await fetch(`${server.url}/edsservice/myservice`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ hosts }),
  })
  await answer.arrayBuffer()
  if (!answer.ok) throw new Error(`${method} /edsservice/myservice answered ${answer.status}`)
  return `${method} /edsservice/myservice with ${ports.length} hosts -> ${answer.status}`
}

async function untilServing(count: number): Promise<void> {
  await until(`Envoy has ${count} healthy hosts`, async () => {
    const hosts = await envoy.admin.hosts()
    return hosts.length === count && hosts.every(({ flags }) => flags.length === 0)
  })
}

async function untilNobody(): Promise<string> {
  await until('nobody answers', async () => (await front()) === '503 no healthy upstream')
  return `GET / -> ${await front()}`
}

/** Who answered how many of a second's requests. */
async function shares(): Promise<string[]> {
  const load = own(await startLoad({ url: FRONT, concurrency: 8 }))
  await until('5,000 answers', async () => (await load.report()).requests >= 5000)
  const report = await load.stop()
  if (report.failed > 0) throw new Error(describeReport(report))
  const shown = upstreams.map(({ port, uuid }) => {
    const share = ((report.bodies[uuid]?.count ?? 0) / report.requests) * 100
    return `${port}  ${uuid}  ${share.toFixed(1)} %`
  })
  return [describeReport(report), ...shown]
}

async function play(): Promise<void> {
  await narrator.step('Envoy, which finds no EDS server yet', async () => {
    const files = {
      bootstrap: join(ROOT, 'envoy', 'eds-rest.yaml'),
      adminAddressPath: join(logFolder, 'admin'),
    }
    envoy = own(await startEnvoy({ ...files, serving: false, logFolder }))
    return ['envoy/eds-rest.yaml']
  })
  await narrator.step('five upstreams, registered nowhere', async () => {
    for (const port of PORTS) {
      const silent = { port, registry: 'none', unregistered: true, logFolder }
      upstreams.push(own(await startUpstream(silent)))
    }
    return [`ports ${PORTS.join(', ')}`]
  })
  await narrator.step('EDS server', async () => {
    server = own(await startEdsServer({ logFolder }))
    await until('Envoy is ready', () => envoy.admin.ready(), { withinMs: 20_000 })
    return [`${server.url}, its API console too`, await untilNobody()]
  })
  await narrator.step('one endpoint', async () => {
    const said = await put('POST', PORTS.slice(0, 1))
    await untilServing(1)
    return [said, `GET / -> ${await front()}`]
  })
  await narrator.step('five endpoints', async () => {
    const said = await put('PUT', PORTS)
    await untilServing(5)
    return [said, ...(await shares())]
  })
  await narrator.step('no endpoint', async () => [await put('PUT', []), await untilNobody()])
  await narrator.step('EDS server gone, and back without its memory', disconnect)
}

async function disconnect(): Promise<string[]> {
  await put('PUT', PORTS)
  await untilServing(5)
  const load = own(await startLoad({ url: FRONT, ratePerSecond: 500 }))
  const passed = async (count: number): Promise<void> => {
    const { requests } = await load.report()
    await until(`${count} more requests`, async () => (await load.report()).requests >= requests + count)
  }
  await server.child.stop()
  await passed(1500)
  const { grpcPort, httpPort } = server
  server = own(await startEdsServer({ grpcPort, httpPort, logFolder }))
  await passed(1500)
  const report = await load.stop()
  if (report.failed > 0) throw new Error(describeReport(report))
  return [describeReport(report), ...(await shares())]
}

async function main(): Promise<number> {
  const problem = await portsInUse()
  if (problem !== undefined) {
    process.stderr.write(`scene: ${problem}\n`)
    return 1
  }
  try {
    await play()
    narrator.say('Every step was as promised.')
    return 0
  } catch (error) {
    process.stderr.write(`scene: ${(error as Error).message}\n`)
    narrator.say(`The logs are in ${logFolder}`)
    return 1
  } finally {
    await Promise.all(started.map(each => each[Symbol.asyncDispose]()))
  }
}

const code = await main()
if (code === 0) rmSync(logFolder, { recursive: true, force: true })
process.exit(code)
