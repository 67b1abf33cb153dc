/** Valid records for tests to vary. */
import type { InstanceRecord } from '../../eds-server/src/registry/instance.ts'

export const SECRET = 'A'.repeat(43)
export const OTHER_SECRET = 'B'.repeat(43)

export function record(change: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    service: 'myservice',
    instanceId: 'one',
    address: '127.0.0.1',
    port: 8081,
    status: 'healthy',
    weight: 1,
    locality: { region: '', zone: '', subZone: '' },
    priority: 0,
    canary: undefined,
    metadata: {},
    ...change,
  }
}
