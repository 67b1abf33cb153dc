/** Requests that no route is for: 404, or 405 with the methods that there are. */
import type { HTTPMethods } from 'fastify'
import { RollcallError, shown } from '../errors.ts'
import type { HttpApp } from './context.ts'

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

export type MethodsByUrl = ReadonlyMap<string, ReadonlySet<string>>

/** Before the routes: the map that it returns fills as they are added. */
export function refuseUnknownRoutes(app: HttpApp): MethodsByUrl {
  const methodsByUrl = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByUrl.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    methodsByUrl.set(url, methods)
  })
  app.setNotFoundHandler(({ method, url }) => {
    const path = url.split('?')[0] ?? url
    const message = `there is no route ${method} ${shown(path)}`
    throw new RollcallError('ROLLCALL_ROUTE_UNKNOWN', message, { field: 'url', value: path })
  })
  return methodsByUrl
}

/** After the routes, in a scope of its own. */
export function refuseOtherMethods(app: HttpApp, methodsByUrl: MethodsByUrl): void {
  for (const [url, known] of [...methodsByUrl]) {
    const others = METHODS.filter(method => !known.has(method))
    const allow = [...known].join(', ')
    app.route({
      method: [...others],
      url,
      schema: { hide: true },
      // Before the body is read: whatever it is, it is not for this route.
      onRequest: (request, reply, done) => {
        reply.header('allow', allow)
        const message = `${request.method} is not for this route; there is: ${allow}`
        done(
          new RollcallError('ROLLCALL_METHOD_NOT_ALLOWED', message, {
            field: 'method',
            value: request.method,
          }),
        )
      },
      handler: (_request, reply) => reply.send(),
    })
  }
}
