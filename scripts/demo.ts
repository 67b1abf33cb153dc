/**
 * npm run demo: a fleet of three behind a real Envoy, and a rolling restart of it under traffic without one failed
 * request. Stays up until Ctrl-C; with --once it ends by itself. Exit code 0 when every step was as promised and
 * 1 when not, or when it cannot start; 2 for a wrong argument.
 */
import { Fleet, FRONT } from './demo/fleet.ts'
import { Narrator } from './demo/narrator.ts'
import { HTTP_PORT, portsInUse } from './demo/ports.ts'
import { runSteps } from './demo/steps.ts'

const HELP = `
Everything is up. In another terminal:
  ask           curl ${FRONT}
  add one       npm start -- -p 8084
  remove one    curl 'http://127.0.0.1:${HTTP_PORT}/edsservice/deregister?endpoint=127.0.0.1:8081'
  see who knows curl http://127.0.0.1:${HTTP_PORT}/v1/nodes
Ctrl-C stops it all.`

class Interrupted extends Error {}

/** Rejects at the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once, and its children with it. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    let isFirst = true
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (!isFirst) process.exit(130)
        isFirst = false
        reject(new Interrupted())
      })
    }
  })
}

async function demo(once: boolean): Promise<number> {
  const narrator = new Narrator()
  const problem = await portsInUse()
  if (problem !== undefined) {
    process.stderr.write(`demo: ${problem}\n`)
    return 1
  }
  const fleet = new Fleet()
  const interrupted = interruption()
  interrupted.catch(() => undefined)
  let isUp = false
  try {
    await Promise.race([runSteps(fleet, narrator), interrupted])
    isUp = true
    if (!once) {
      narrator.say(HELP)
      fleet.onEnd(what => narrator.progress(what))
      await interrupted
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      process.stderr.write(`demo: ${(error as Error).message}\n`)
      narrator.say(`The logs are in ${fleet.logFolder}`)
      await fleet.stop({ keepLogs: true })
      return 1
    }
    narrator.leaveSteps()
    narrator.say('\nStopping …')
  }
  await fleet.stop({ keepLogs: false })
  if (once && isUp) narrator.say('Every step was as promised.')
  return isUp ? 0 : 130
}

const args = process.argv.slice(2)
const unknown = args.find(argument => argument !== '--once')
if (unknown !== undefined) {
  process.stderr.write(`demo: ${JSON.stringify(unknown)} is not --once, the only argument\n`)
  process.exit(2)
}
process.exit(await demo(args.includes('--once')))
