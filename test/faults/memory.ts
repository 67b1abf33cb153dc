/** What Linux says of a process's memory. */
import { readFileSync } from 'node:fs'

/** MiB. */
export interface Resident {
  readonly now: number
  /** The most since the process started. */
  readonly peak: number
}

export function residentMemory(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { now: mebibytes('VmRSS'), peak: mebibytes('VmHWM') }
}
