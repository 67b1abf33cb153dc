/**
 * The API console at `/`: Swagger UI over the document of this very server. Everything comes from here, so it works
 * without any other network; the policy lets the page load and call nothing else, and run no script of its own text.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { HttpApp } from './context.ts'

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // Swagger UI's own icons.
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Rollcall</title>
    <link rel="stylesheet" href="/console/swagger-ui.css">
    <link rel="icon" href="/console/favicon-32x32.png">
  </head>
  <body>
    <div id="console"></div>
    <script src="/console/swagger-ui-bundle.js"></script>
    <script src="/console/start.js"></script>
  </body>
</html>
`

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#console',
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
})
`

const TYPES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

export function consoleRoutes(app: HttpApp): void {
  const assets = join(dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui')), 'static')
  serve(app, '/', 'text/html; charset=utf-8', () => Buffer.from(PAGE))
  serve(app, '/console/start.js', 'text/javascript; charset=utf-8', () => Buffer.from(START))
  for (const [name, type] of Object.entries(TYPES)) {
    serve(app, `/console/${name}`, type, () => readFileSync(join(assets, name)))
  }
}

/** Read at the first request: most servers never show their console. */
function serve(app: HttpApp, url: string, type: string, read: () => Buffer): void {
  let content: Buffer | undefined
  app.get(url, { exposeHeadRoute: true, schema: { hide: true } }, (_request, reply) => {
    content ??= read()
    reply.header('content-security-policy', CONTENT_SECURITY_POLICY).type(type).send(content)
  })
}
