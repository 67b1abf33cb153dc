/**
 * `npm run bench`: prints figures of this machine and asserts nothing about time. The server is a process of its
 * own; every figure is taken from outside, through its sockets. An argument runs the parts whose name holds it.
 */
import { cpus } from 'node:os'
import { fanOut } from './fan-out.ts'
import { heartbeats } from './heartbeats.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { polling } from './polling.ts'

const parts = { latency, 'fan-out': fanOut, heartbeats, memory, polling }
const wanted = process.argv[2] ?? ''

console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}`,
)
for (const [name, run] of Object.entries(parts)) {
  if (!name.includes(wanted)) continue
  console.log(`\n${name}`)
  await run()
}
