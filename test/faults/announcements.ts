/** Follows `GET /v1/events` of one life of the registry; its end ends it without a word. */
import { get, type IncomingMessage } from 'node:http'
import type { Sighting } from '../history/history.ts'

interface InstanceView {
  service: string
  instanceId: string
  incarnation: number
  address: string
  port: number
}

/** Resolves once the stream is open, so that nothing that is asked for afterwards is missed. */
export async function followAnnouncements(
  url: string,
  record: (sighting: Sighting) => void,
): Promise<AsyncDisposable> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/v1/events`, { agent: false }, resolve).once('error', reject)
  })
  let text = ''
  response.setEncoding('utf8')
  // The registry is killed in many scenarios: nothing that it announced before is lost by that.
  response.on('error', () => undefined)
  response.on('data', (chunk: string) => {
    const blocks = (text + chunk).split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/m.exec(block) ?? []
      if (event === undefined || data === undefined) continue
      const { service, instanceId, incarnation, address, port } = JSON.parse(data) as InstanceView
      record({ kind: 'announced', event, service, instanceId, incarnation, address: `${address}:${port}` })
    }
  })
  return {
    async [Symbol.asyncDispose]() {
      response.destroy()
    },
  }
}
