/**
 * What every request passes before its route: security headers on the answer, and for the JSON API the question
 * whether the request comes from where it says. Cheap: it runs for every heartbeat.
 */
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { RollcallError, shown } from '../errors.ts'
import { compressionRefusal } from './json-body.ts'

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void

/** For every route. */
export const secure: Hook = (request, reply, done) => {
  reply.headers(SECURITY_HEADERS)
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') done()
  else done(compressionRefusal(encoding))
}

/** Any port: a tunnel or a port mapping may stand between. */
const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i

/**
 * For the families of routes that people and apps call. Not for the discovery protocol over REST: there the host
 * is whatever name the client gave its upstream.
 *
 * A loopback-bound registry trusts who can reach it, and a browser can: on behalf of any web page. The host
 * allow-list stops DNS rebinding, `sec-fetch-site` stops links, images and forms of other sites.
 */
export function localCallersOnly({ loopbackOnly }: { readonly loopbackOnly: boolean }): Hook {
  return (request, _reply, done) => {
    const { host = '', 'sec-fetch-site': site } = request.headers
    if (loopbackOnly && !LOOPBACK_HOST.test(host)) {
      done(refusal('host', host, 'is not localhost, 127.0.0.1 or [::1]'))
    } else if (site === 'cross-site' || site === 'same-site') {
      done(refusal('sec-fetch-site', site, 'is another web site'))
    } else {
      done()
    }
  }
}

/**
 * For the discovery protocol over REST: there the host is whatever name the client gave its upstream. Browsers name
 * the site that a request comes from, and no other client does: they are held to the rules of the API, so that a
 * rebound name does not show a web page what is registered.
 */
export function localBrowsersOnly(options: { readonly loopbackOnly: boolean }): Hook {
  const forBrowsers = localCallersOnly(options)
  return (request, reply, done) => {
    if (request.headers['sec-fetch-site'] === undefined) done()
    else forBrowsers(request, reply, done)
  }
}

function refusal(field: string, value: unknown, reason: string): RollcallError {
  return new RollcallError('ROLLCALL_ORIGIN_REFUSED', `${field}: ${shown(value)} ${reason}`, { field, value })
}
