/**
 * The API console in a real browser, as somebody uses it who has never seen it: open the page, press what is
 * offered, see the host through Envoy. Screenshots are kept in .cache/screenshots.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { ENDPOINT } from '../../eds-server/src/xds/resource-type.ts'
import { ROOT } from '../../scripts/processes/programs.ts'
import { until } from '../../scripts/processes/until.ts'
import { RawClient } from '../conformance/raw-client.ts'
import { get } from '../world/front.ts'
import { inWorld } from '../world/world.ts'

const SCREENSHOTS = join(ROOT, '.cache', 'screenshots')
const SWITCHES = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
]
const HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

function browserPath(): string {
  const given = process.env.CHROMIUM_BIN
  if (given) return given
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders
    .flatMap(folder => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)))
    .find(path => existsSync(path))
  if (found) return found
  throw new Error('no chromium: install it (apt-get install -y chromium) or set CHROMIUM_BIN')
}

interface Seen {
  readonly page: Page
  /** Requests to anywhere but the server, errors of scripts, and violations of the policy. */
  readonly offences: string[]
}

async function open(browser: Browser, url: string): Promise<Seen> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } })
  const offences: string[] = []
  page.on('request', request => {
    const isOurs = request.url().startsWith(url) || request.url().startsWith('data:')
    if (!isOurs) offences.push(`requests ${request.url()}`)
  })
  page.on('pageerror', error => offences.push(error.message))
  page.on('console', message => {
    if (/Content.Security.Policy/i.test(message.text())) offences.push(message.text())
  })
  await page.goto(url)
  await page.locator('.opblock').first().waitFor()
  return { page, offences }
}

/** Opens an operation, fills in what is given, executes it, and returns the status and the text of the answer. */
async function press(page: Page, method: string, path: string, body?: string): Promise<[number, string]> {
  const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) })
  if ((await block.locator('.execute').count()) === 0) await block.locator('.opblock-summary').click()
  if (body !== undefined) await block.locator('textarea.body-param__text').fill(body)
  const answered = page.waitForResponse(response => response.request().method() === method.toUpperCase())
  await block.locator('.execute').click()
  const status = (await answered).status()
  const live = block.locator('.live-responses-table tbody .response-col_status').first()
  await until('the console shows the status', async () =>
    ((await live.textContent()) ?? '').trim().startsWith(String(status)),
  )
  return [status, (await block.locator('.live-responses-table').textContent()) ?? '']
}

describe('the API console', () => {
  test(
    'registers a host with what it offers, and Envoy sends requests there',
    inWorld(async world => {
      mkdirSync(SCREENSHOTS, { recursive: true })
      const registry = await world.startRegistry()
      const envoy = await world.startEnvoy({ registry, bootstrap: 'eds-rest.yaml' })
      // What the example names: somebody listens there, whom nobody has registered.
      const upstream = await world.startUpstream({
        registry,
        args: ['--registry', 'none'],
        port: 8081,
        unregistered: true,
      })
      const browser = await chromium.launch({ executablePath: browserPath(), args: SWITCHES })
      try {
        const { page, offences } = await open(browser, `${registry.url}/`)
        await page.screenshot({ path: join(SCREENSHOTS, 'console.png') })
        assert.equal((await get(envoy.url)).body, 'no healthy upstream')

        const [created, shown] = await press(page, 'post', '/edsservice/{service}')
        assert.equal(created, 201, shown)
        await page.screenshot({ path: join(SCREENSHOTS, 'post-host.png') })
        await until('Envoy sends requests there', async () => (await get(envoy.url)).body === upstream.uuid)

        const [emptied] = await press(page, 'put', '/edsservice/{service}', '{"hosts": []}')
        assert.equal(emptied, 200)
        await until('Envoy sends none', async () => (await get(envoy.url)).status === 503)
        assert.deepEqual(offences, [])
      } finally {
        await browser.close()
      }
    }),
  )

  test(
    'shows HTML in names and metadata as text',
    inWorld(async world => {
      const registry = await world.startRegistry({ args: ['--lease-ttl', '2s'] })
      // Until it is warm it answers 503 to v1, whose clients cannot say what they know.
      await until('it is warm', async () => (await fetch(`${registry.url}/readyz`)).ok)
      const answer = await fetch(`${registry.url}/v1/services/myservice/instances/one`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ port: 8081, ttlMs: 60_000, metadata: { note: HTML } }),
      })
      assert.equal(answer.status, 201)
      const browser = await chromium.launch({ executablePath: browserPath(), args: SWITCHES })
      try {
        const { page, offences } = await open(browser, `${registry.url}/`)
        const [status, shown] = await press(page, 'get', '/v1/services/{service}/instances')
        assert.equal(status, 200)
        assert.match(shown, /<img src=x onerror=\\"window\.hacked=1\\">/)

        // A client that calls itself so, and says so of what it refuses.
        using client = new RawClient(registry.grpcPort)
        const stream = client.stream({ protocol: 'sotw', aggregated: true }, ENDPOINT, HTML)
        stream.subscribe(['myservice'])
        stream.nack(await stream.next(), HTML)
        await until('its refusal is known', async () =>
          (await (await fetch(`${registry.url}/v1/nodes`)).text()).includes('NACKED'),
        )
        const nodes = (await press(page, 'get', '/v1/nodes'))[1]
        assert.match(
          nodes,
          /"node": "<img src=x[\s\S]+"resources": \[\s*"myservice"[\s\S]+"message": "<img src=x/,
        )

        // A service name with HTML the console itself does not let pass; this one is repeated in the answer.
        const path = '/v1/registration/repo/{repo}'
        const named = page.locator('.opblock-get', { has: page.locator(`[data-path="${path}"]`) })
        await named.locator('.opblock-summary').click()
        await named.locator('.parameters input').first().fill(HTML)
        assert.match((await press(page, 'get', path))[1], /"service_repo_name": "<img src=x/)
        await page.screenshot({ path: join(SCREENSHOTS, 'html-as-text.png') })
        assert.equal(await page.locator('img[src="x"]').count(), 0)
        assert.equal(await page.evaluate('window.hacked'), undefined)
        assert.deepEqual(offences, [])
      } finally {
        await browser.close()
      }
    }),
  )
})
