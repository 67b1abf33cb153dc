/** What a client of Envoy sees: single requests, each on a connection of its own, and the progress of a load. */
import { request } from 'node:http'
import type { Load } from '../../scripts/processes/load.ts'
import { until } from '../../scripts/processes/until.ts'

export interface FrontAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

export function get(url: string, headers: Record<string, string> = {}): Promise<FrontAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, timeout: 5000, headers }, answer => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        body += chunk
      })
      answer.once('error', reject)
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    sent.once('timeout', () => sent.destroy(new Error(`GET ${url}: no answer in 5 s`)))
    sent.once('error', reject)
    sent.end()
  })
}

/** The bodies of the 2xx answers to so many requests. */
export async function uuidsSeen(url: string, requests: number): Promise<Set<string>> {
  const answers = await Promise.all(Array.from({ length: requests }, () => get(url)))
  return new Set(answers.filter(({ status }) => status === 200).map(({ body }) => body))
}

/** Resolves when the load has had so many more answers. */
export async function moreRequests(load: Load, count: number): Promise<void> {
  const { requests } = await load.report()
  await until(`${count} more requests`, async () => (await load.report()).requests >= requests + count)
}
