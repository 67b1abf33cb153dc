/** What the demo shows, step by step; each throws when what it shows is not so. */
import { describeReport } from '../processes/load-report.ts'
import { until } from '../processes/until.ts'
import { BOOTSTRAP, type Fleet, FRONT } from './fleet.ts'
import type { Narrator } from './narrator.ts'
import { ADMIN_PORT, UPSTREAM_PORTS } from './ports.ts'

export async function runSteps(fleet: Fleet, narrator: Narrator): Promise<void> {
  await narrator.step('EDS server', async () => {
    const { grpcPort, url } = await fleet.startServer()
    return [`gRPC on 127.0.0.1:${grpcPort}, HTTP on ${url}`]
  })
  await narrator.step('Envoy', async () => {
    await fleet.startEnvoy()
    return [`${BOOTSTRAP}, traffic on ${FRONT}, admin on http://127.0.0.1:${ADMIN_PORT}`]
  })
  await narrator.step('nobody is registered', async () => {
    const { status, body } = await get()
    if (status !== 503) throw new Error(`GET / answered ${status} "${body}" instead of 503`)
    return [`GET / -> ${status} "${body}"`]
  })
  await narrator.step('three upstreams', async () => {
    await Promise.all(UPSTREAM_PORTS.map(port => fleet.startUpstream(port)))
    return [`registered from ports ${UPSTREAM_PORTS.join(', ')}`]
  })
  await narrator.step('GET / through Envoy', async () => ['all three answer', ...(await seeAll(fleet))])
  await narrator.step('rolling restart under traffic', () => rollingRestart(fleet, narrator))
  await narrator.step('GET / through Envoy', async () => [
    'only the new three answer',
    ...(await seeAll(fleet)),
  ])
}

async function get(): Promise<{ status: number; body: string }> {
  const answer = await fetch(FRONT)
  return { status: answer.status, body: await answer.text() }
}

/** Asks until every upstream of now has answered with its UUID; one that is not of now is an error. */
async function seeAll({ upstreams }: Fleet): Promise<string[]> {
  const expected = new Map([...upstreams].map(([port, { uuid }]) => [uuid, port]))
  const seen = new Set<string>()
  let stranger: string | undefined
  await until('every upstream answers', async () => {
    const { status, body } = await get()
    if (expected.has(body)) seen.add(body)
    // A 503 here is Envoy's first health check not yet done.
    else if (status !== 503) stranger = body
    return stranger !== undefined || seen.size === expected.size
  })
  if (stranger !== undefined) throw new Error(`GET / answered ${stranger}, which is no upstream of now`)
  return [...expected].map(([uuid, port]) => `${port}  ${uuid}`).sort()
}

async function rollingRestart(fleet: Fleet, narrator: Narrator): Promise<string[]> {
  const load = await fleet.startLoad()
  for (const port of UPSTREAM_PORTS) {
    await fleet.replaceUpstream(port)
    narrator.progress(`${port} replaced: ${describeReport(await load.report())}`)
  }
  const report = await load.stop()
  if (report.failed > 0) throw new Error(describeReport(report))
  return [describeReport(report)]
}
