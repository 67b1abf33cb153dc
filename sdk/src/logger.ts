/** The logging seam: pino's call shape, made unable to throw into the heartbeat. */
export type Log = (details: object, message: string) => void

export interface Logger {
  info: Log
  warn: Log
  error: Log
}

/** The logger given, else process warnings for what an operator must know. */
export function safeLogger(logger: Logger | undefined): Logger {
  const at =
    (level: keyof Logger): Log =>
    (details, message) => {
      try {
        if (logger) logger[level](details, message)
        else if (level !== 'info') process.emitWarning(`${message}${reasonIn(details)}`, 'RollcallWarning')
      } catch {
        // A logger that fails has nowhere to say so.
      }
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

function reasonIn(details: object): string {
  const { err } = details as { err?: unknown }
  return err instanceof Error ? ` (${err.message})` : ''
}
