/** Resident memory: of an instance at each size of the registry, and of an idle stream beside the peers'. */
import { generate } from './generator.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { startServer } from './servers.ts'
import { sideBySide } from './side-by-side.ts'
import { exponent } from './stats.ts'

interface RegisterResult {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly bytesPerInstance: number
  readonly residentBytes: number
}

const PER_SERVICE = 1000
const REGISTRATIONS_GOAL = 8000
const STREAM_GOAL = 0.5
const SMALLEST = 10_000

export async function streamMemory(bench: Bench): Promise<void> {
  const job = {
    part: 'idle',
    endpoints: 10,
    mode: 'sotw',
    streams: bench.profile.idleStreams,
    seconds: bench.profile.restSeconds,
  } as const
  const results = await sideBySide<{ name: string; bytesPerStream: number }>(
    bench,
    ['linear', 'snapshot'],
    job,
  )
  const [ours, ...theirs] = results.map(({ name, bytesPerStream }) => ({ name, kib: bytesPerStream / 1024 }))
  for (const each of theirs) {
    bench.report.compare({
      what: `an idle stream, of ${number(job.streams)}`,
      unit: 'KiB',
      ours: [ours?.kib ?? Number.NaN],
      peer: each.name,
      theirs: [each.kib],
      goal: STREAM_GOAL,
    })
  }
}

export async function instanceMemory({ peer, profile, report }: Bench): Promise<void> {
  const points: [number, number][] = []
  for (const instances of [SMALLEST, ...profile.instances]) {
    const server = await startServer()
    const job = { services: instances / PER_SERVICE, endpoints: PER_SERVICE, seconds: profile.restSeconds }
    const [result] = await generate<RegisterResult>(peer, [server], { part: 'register', ...job })
    await server.stop()
    if (!result) throw new Error('no result')
    const what = `${number(instances)} instances`
    report.figure(
      `${what}: registrations of server CPU`,
      [result.perCpuSecond],
      'a second',
      REGISTRATIONS_GOAL,
    )
    report.figure(`${what}: registrations by the clock`, [result.perSecond], 'a second')
    report.figure(`${what}: resident for each`, [result.bytesPerInstance], 'bytes')
    points.push([instances, 1 / result.perCpuSecond])
  }
  if (points.length < 2) return
  report.figure('CPU of a registration over the number of instances', [exponent(points)], '(exponent)')
}
