/**
 * `npm run bench`: Rollcall beside go-control-plane, on this machine in one run; it asserts nothing about time.
 * `npm run bench -- quick` takes about four minutes; the full run writes docs/benchmarks.md, and so does a quick
 * one with `--publish`. A further argument runs the parts whose name holds it. Where Go is not installed, Rollcall
 * is measured alone (alone/).
 */
import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { measureAlone } from './alone/main.ts'
import { churn } from './churn.ts'
import { firstRequest, polling } from './envoy/main.ts'
import { fanOut } from './fan-out.ts'
import { floor } from './floor.ts'
import { buildPeer, type Peer } from './generator.ts'
import { heartbeats } from './heartbeats.ts'
import { latency, WARM_UP_CHANGES } from './latency.ts'
import { instanceMemory, streamMemory } from './memory.ts'
import { otherServices } from './other-services.ts'
import { type Bench, PROFILES } from './profile.ts'
import { number, Report } from './report.ts'
import { canPin, ROOT } from './servers.ts'

/** Makes a quick run write the page too. */
const PUBLISH = '--publish'

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  'fan-out': fanOut,
  latency,
  floor,
  churn,
  heartbeats,
  'memory of streams': streamMemory,
  'memory of instances': instanceMemory,
  'other services': otherServices,
  'first request': firstRequest,
  polling,
}

const args = process.argv.slice(2).filter(arg => arg !== PUBLISH)
const profile = PROFILES[args[0] ?? ''] ?? PROFILES.full
const wanted = args.filter(arg => !(arg in PROFILES))[0] ?? ''
const machine = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.version}`
console.log(machine)
const peer = buildPeer()
if (!peer || !profile) {
  console.log('Go is not installed: Rollcall alone, without its peer go-control-plane')
  await measureAlone(wanted)
} else {
  await compare(peer)
}

async function compare(peer: Peer): Promise<void> {
  if (!profile) return
  const conditions = [
    `go-control-plane ${peer.version}`,
    peer.go,
    canPin ? 'servers on core 0, the generator on core 1' : 'not pinned: no taskset',
    `profile ${profile.name}`,
  ].join(', ')
  console.log(conditions)
  const report = new Report()
  for (const [name, run] of Object.entries(PARTS)) {
    if (!name.includes(wanted)) continue
    report.part(name)
    await run({ peer, profile, report })
  }
  const isPublished = profile.name === 'full' || process.argv.includes(PUBLISH)
  if (isPublished && wanted === '') publish(report, `${machine}. ${conditions}.`)
}

function publish(report: Report, conditions: string): void {
  const page = `# Benchmarks

Rollcall beside go-control-plane on one machine in one run, written by \`npm run bench\`: ${conditions}

Fan-out is \`streams x endpoints\`, one connection a stream; CPU is the server's processor time from a change of one
endpoint until all is quiet again, the HTTP call included. \`linear\` and \`snapshot\` are go-control-plane's caches. The
servers take turns, A B A B, and each ratio is of two neighbours in time: less than 1 is in favour of Rollcall. An
exponent of 0 does not grow with the size, 1 grows in proportion. Figures are Rollcall's where no other name is before them.

- **Floor**: \`bare node:http2\` and \`bare grpc-js\` answer every stream with a constant and do nothing else. Rollcall beside
  them is what it adds to the platform; they beside \`linear\` are what Node can reach. Four servers take turns there, so their
  caches are colder than in the parts above: compare within a row.
- **Latency** is measured after ${number(WARM_UP_CHANGES)} changes without pauses at every server, which V8 takes to optimise what a
  change runs through: a server that has run for a while is past them.
- **On disk**: a registration is in the store, synced, when it is answered.
- **First request**: a service of one instance gets a second; from the moment that its registration is sent until it
  answers a request through a real Envoy with the bootstrap \`envoy/ads-delta-grpc.yaml\`, one request after another.
  Envoy's first health check of the instance is included.
- **Memory** is resident memory over that before, each after garbage was collected and given back to the system.

${report.markdown()}
`
  writeFileSync(join(ROOT, 'docs', 'benchmarks.md'), page)
}
