/** A program of its own: asks `xds:///<argument>` again and again which backend it is, and tells its parent. */
import { setTimeout as delay } from 'node:timers/promises'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { register } from '@grpc/grpc-js-xds'
import { service } from 'grpc-health-check'

register()
const client = new Client(`xds:///${process.argv[2]}`, credentials.createInsecure())
const check = service.Check ?? service.check
if (!check) throw new Error('no Check in grpc.health.v1.Health')
const { path, requestSerialize, responseDeserialize } = check

/** Undefined if the backend is the one of this name, else why not. */
function askFor(name: string): Promise<ServiceError | undefined> {
  const options = { deadline: Date.now() + 2000 }
  return new Promise(resolve => {
    const answered = (error: ServiceError | null): void => resolve(error ?? undefined)
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: name }, options, answered)
  })
}

process.on('disconnect', () => process.exit(0))
while (process.connected) {
  const isNotOne = await askFor('one')
  const isNotTwo = isNotOne && (await askFor('two'))
  process.send?.(isNotOne ? (isNotTwo?.message ?? 'two') : 'one')
  await delay(20)
}
