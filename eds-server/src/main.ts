#!/usr/bin/env node
/** The command: options in, exit code out. 0 after a graceful stop, 1 for a failed start, 2 for a wrong option. */
import closeWithGrace from 'close-with-grace'
import { type Logger, pino } from 'pino'
import { asksForHelp, HELP, parseConfig } from './config.ts'
import { RollcallError } from './errors.ts'
import { startServer } from './server.ts'

/** Longer than everything that a stop waits for. */
const STOP_DEADLINE_MS = 10_000

async function main(argv: readonly string[]): Promise<void> {
  if (asksForHelp(argv)) {
    process.stdout.write(HELP)
    return
  }
  const config = parseConfig(argv, process.env)
  // Written at once all the same; but with 0, the default, flush() waits for nothing.
  const logger = pino({ level: config.logLevel }, pino.destination({ minLength: 1 }))
  const server = await startServer(config, logger)
  const { grpcPort, httpPort } = server
  logger.info({ grpcPort, httpPort, host: config.host }, 'ready')
  closeWithGrace({ delay: STOP_DEADLINE_MS, logger }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'stopping after an unexpected error')
    else logger.info({ signal }, 'stopping')
    await server.stop()
    logger.info('stopped')
    await flushed(logger)
  })
}

/** Resolves also when nobody reads the log any more; unnoticed until the exit, pino would try again for ever. */
function flushed(logger: Logger): Promise<void> {
  return new Promise(resolve => logger.flush(() => resolve()))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof RollcallError)) throw error
  process.stderr.write(`rollcall-eds-server: ${error.message}\n`)
  process.exitCode = error.code === 'ROLLCALL_OPTION_INVALID' ? 2 : 1
}
