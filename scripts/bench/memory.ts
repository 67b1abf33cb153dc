/**
 * Resident memory: of an instance at each size of the registry, and of an idle stream beside the peers'; and how
 * many registrations a second bring a registry to that size, in memory only and on disk.
 */
import { generate } from './generator.ts'
import type { Bench } from './profile.ts'
import { number } from './report.ts'
import { type Storage, startServer } from './servers.ts'
import { sideBySide } from './side-by-side.ts'
import { exponent } from './stats.ts'

interface RegisterResult {
  readonly perSecond: number
  readonly perCpuSecond: number
  readonly bytesPerInstance: number
  readonly withGarbage: number
}

const PER_SERVICE = 1000
/** A second, on disk when answered. */
const REGISTRATIONS_GOAL = 8000
const INSTANCE_GOAL_BYTES = 1536
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
    { collects: true },
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

export async function instanceMemory(bench: Bench): Promise<void> {
  const points: [number, number][] = []
  for (const instances of [SMALLEST, ...bench.profile.instances.inMemory]) {
    const result = await register(bench, instances, 'memory')
    const what = `${number(instances)} instances`
    const goal = instances > SMALLEST ? { atMost: INSTANCE_GOAL_BYTES } : undefined
    bench.report.figure(`${what}: resident for each`, [result.bytesPerInstance], 'bytes', goal)
    bench.report.figure(`${what}: with what registering left`, [result.withGarbage], 'bytes')
    points.push([instances, 1 / result.perCpuSecond])
  }
  for (const instances of bench.profile.instances.onDisk) await register(bench, instances, 'disk')
  if (points.length < 2) return
  bench.report.figure('CPU of a registration over the number of instances', [exponent(points)], '(exponent)')
}

async function register(
  { peer, profile, report }: Bench,
  instances: number,
  storage: Storage,
): Promise<RegisterResult> {
  const server = await startServer({ storage, collects: storage === 'memory' })
  try {
    const seconds = storage === 'memory' ? profile.restSeconds : 0
    const size = { services: instances / PER_SERVICE, endpoints: PER_SERVICE, seconds }
    const [result] = await generate<RegisterResult>(peer, [server], { part: 'register', ...size })
    if (!result) throw new Error('no result')
    const what = `${number(instances)} registrations, ${storage === 'disk' ? 'on disk' : 'in memory only'}`
    const goal = storage === 'disk' ? { atLeast: REGISTRATIONS_GOAL } : undefined
    report.figure(`${what}: of server CPU`, [result.perCpuSecond], 'a second', goal)
    report.figure(`${what}: by the clock`, [result.perSecond], 'a second')
    return result
  } finally {
    await server.stop()
  }
}
