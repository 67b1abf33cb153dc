/** The two facts that the server needs of an encoded `Cluster`: whether it takes its endpoints from EDS, by what name. */
import { MalformedMessage, textIn, WireReader } from './wire-reader.ts'

const CLUSTER = { NAME: 1, TYPE: 2, EDS_CONFIG: 3 } as const
const EDS_SERVICE_NAME = 2
const TYPE_EDS = 3

/**
 * The name of the assignment that this cluster waits for. Undefined unless it is an EDS cluster; also for
 * bytes that are no cluster: clients refuse those, and nothing waits.
 */
export function assignmentNameOf(message: Uint8Array): string | undefined {
  try {
    return readAssignmentName(message)
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
}

function readAssignmentName(message: Uint8Array): string | undefined {
  const cluster = new WireReader(message)
  let name = ''
  let serviceName = ''
  let type = 0
  while (cluster.next()) {
    if (cluster.field === CLUSTER.NAME) name = cluster.string()
    else if (cluster.field === CLUSTER.TYPE) type = cluster.uint()
    else if (cluster.field === CLUSTER.EDS_CONFIG) {
      serviceName = textIn(cluster.bytes(), EDS_SERVICE_NAME) ?? serviceName
    } else cluster.skip()
  }
  return type === TYPE_EDS ? serviceName || name : undefined
}
