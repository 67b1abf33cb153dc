/** The two facts that the server needs of an encoded `Cluster`: whether it takes its endpoints from EDS, by what name. */
import { MalformedMessage, WireReader } from './wire-reader.ts'

const ANY_VALUE = 2
const CLUSTER = { NAME: 1, TYPE: 2, EDS_CONFIG: 3 } as const
const EDS_SERVICE_NAME = 2
const TYPE_EDS = 3

/**
 * The name of the assignment that the cluster in this `Any` waits for. Undefined unless it is an EDS
 * cluster; also for bytes that are no cluster: clients refuse those, and nothing waits.
 */
export function assignmentNameOf(any: Uint8Array): string | undefined {
  try {
    return readAssignmentName(any)
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
}

function readAssignmentName(any: Uint8Array): string | undefined {
  const value = bytesOf(any, ANY_VALUE)
  if (!value) return undefined
  const cluster = new WireReader(value)
  let name = ''
  let serviceName = ''
  let type = 0
  while (cluster.next()) {
    if (cluster.field === CLUSTER.NAME) name = cluster.string()
    else if (cluster.field === CLUSTER.TYPE) type = cluster.uint()
    else if (cluster.field === CLUSTER.EDS_CONFIG) {
      serviceName = bytesOf(cluster.bytes(), EDS_SERVICE_NAME)?.toString() ?? serviceName
    } else cluster.skip()
  }
  return type === TYPE_EDS ? serviceName || name : undefined
}

function bytesOf(message: Uint8Array, field: number): Buffer | undefined {
  const reader = new WireReader(message)
  let found: Buffer | undefined
  while (reader.next()) {
    if (reader.field === field) found = reader.bytes()
    else reader.skip()
  }
  return found
}
