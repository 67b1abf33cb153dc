#!/usr/bin/env node
/**
 * Starts the sample upstream. Exit codes: 0 after SIGTERM or SIGINT, 1 when the port cannot be had, 2 for a wrong
 * flag or variable. It never exits by itself on the way out: with the drain done nothing is left to wait for.
 */
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { OptionError } from '@rollcall/sdk'
import { pino } from 'pino'
import { buildApp } from './app.ts'
import { parseOptions, USAGE, UsageError } from './options.ts'

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env)
  if (!options) {
    process.stdout.write(`${USAGE}\n`)
    return
  }
  const logger = pino()
  const uuid = randomUUID()
  const app = await buildApp(options, uuid, logger)
  app.server.once('listening', () => {
    logger.info({ port: (app.server.address() as AddressInfo).port, uuid }, 'listening')
  })
  await app.listen({ port: options.port, host: options.host })
}

main().catch((error: NodeJS.ErrnoException) => {
  const isUsage = error instanceof UsageError || error instanceof OptionError
  const message =
    error.code === 'EADDRINUSE' ? `the port is already in use (${error.message})` : error.message
  process.stderr.write(`upstream-server: ${message}\n`)
  process.exit(isUsage ? 2 : 1)
})
