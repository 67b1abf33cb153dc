/**
 * The directory that a server keeps its registrations in: made when missing, and held by one process at a time.
 * The lock is a listening socket in it: the kernel closes it however the process ends, it needs no process
 * number, which containers repeat, and it is seen by every container that shares the volume.
 */
import { mkdirSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { RollcallError } from '../errors.ts'

const LOCK = 'server.lock'
/** A socket's path may be about this long. */
const PATH_MAX = 100

/** Rejects with ROLLCALL_STORE_UNAVAILABLE when the directory cannot be written or another server holds it. */
export async function holdDirectory(directory: string): Promise<{ release(): void }> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const path = lockPath(directory)
    const server = (await listen(path)) ?? (await takeOver(path))
    if (server) {
      server.unref()
      return { release: () => server.close() }
    }
  } catch (cause) {
    throw unavailable(directory, `cannot be used: ${(cause as Error).message}`, cause)
  }
  throw unavailable(directory, 'is held by another server: stop that one, or choose another directory')
}

export function unavailable(directory: string, reason: string, cause?: unknown): RollcallError {
  const message = `--data-dir: ${JSON.stringify(directory)} ${reason}`
  return new RollcallError('ROLLCALL_STORE_UNAVAILABLE', message, {
    field: '--data-dir',
    value: directory,
    cause,
  })
}

function lockPath(directory: string): string {
  const path = join(directory, LOCK)
  if (Buffer.byteLength(path) <= PATH_MAX || process.platform !== 'linux') return path
  return `/proc/self/fd/${openSync(directory, 'r')}/${LOCK}`
}

/** Undefined when the path is taken. */
function listen(path: string): Promise<Server | undefined> {
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(path, () => resolve(server))
  })
}

/** Undefined when the holder lives, be it stopped. */
async function takeOver(path: string): Promise<Server | undefined> {
  const isHeld = await new Promise<boolean>(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      // A stopped holder never closes it, and it would keep this process from its end.
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'))
  })
  if (isHeld) return undefined
  rmSync(path, { force: true })
  return await listen(path)
}
