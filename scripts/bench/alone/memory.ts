/** Resident memory of the server with 100,000 instances of 1,000 services, over that of the empty server. */
import { startServer } from '../servers.ts'
import { line } from '../stats.ts'
import { Api } from './api.ts'

const SERVICES = 1000
const PER_SERVICE = 100

export async function memory(): Promise<void> {
  const server = await startServer({ collects: true })
  const api = new Api(server.httpPort, 32)
  const emptyBytes = await server.keptBytes()
  const startedAt = performance.now()
  for (let service = 0; service < SERVICES; service++) await api.registerMany(`bench-${service}`, PER_SERVICE)
  const seconds = (performance.now() - startedAt) / 1000
  const count = SERVICES * PER_SERVICE
  const busyBytes = server.residentBytes()
  const bytes = await server.keptBytes()
  line(
    `${count} instances`,
    `${mebibytes(bytes)} resident in all (${mebibytes(busyBytes)} while registering)`,
  )
  line('per instance', `${((bytes - emptyBytes) / count / 1024).toFixed(2)} KiB, everything included`)
  line('registrations', `${Math.round(count / seconds).toLocaleString('en-US')} a second (wall)`)
  await api.close()
  await server.stop()
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`
}
