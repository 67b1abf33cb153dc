/** A program of its own: asks `xds:///<argument>` again and again which backend it is, and tells its parent. */
import { setTimeout as delay } from 'node:timers/promises'
import { Client, credentials } from '@grpc/grpc-js'
import { register } from '@grpc/grpc-js-xds'
import { WHO } from './grpc-backend.ts'

register()
const client = new Client(`xds:///${process.argv[2]}`, credentials.createInsecure())
const { ask } = WHO
if (!ask) throw new Error('no method to ask')
const { path, requestSerialize, responseDeserialize } = ask

function who(): Promise<{ name: string } | { error: string }> {
  return new Promise(resolve => {
    const options = { deadline: Date.now() + 5000 }
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.alloc(0),
      options,
      (error, answer) => resolve(error ? { error: error.message } : { name: String(answer) }),
    )
  })
}

process.on('disconnect', () => process.exit(0))
while (process.connected) {
  process.send?.(await who())
  await delay(5)
}
