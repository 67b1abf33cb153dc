/**
 * The OpenAPI 3.1 document, from the schemas of the routes. `config.documented` holds the parts of a route that
 * its handler checks by hand: headers, and everything of the single heartbeat.
 */
import fastifySwagger from '@fastify/swagger'
import type { TSchema } from 'typebox'
import type { HttpApp } from './context.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    documented?: {
      readonly params?: TSchema
      readonly headers?: TSchema
      /** A body that may be missing: one that must not belongs in the schema. */
      readonly body?: TSchema
      /** A body that is checked behind the port that it is handed to. */
      readonly requiredBody?: TSchema
    }
  }
}

/** Before the routes: it learns of them as they are added. */
export function describeRoutes(app: HttpApp): void {
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Rollcall registry',
        version: '1',
        description:
          'Services register their instances and renew their leases by heartbeats. Errors are RFC 9457 problem documents; besides those of each route, a request that is not well-formed HTTP is answered 400, 408 or 431.',
      },
      tags: [
        { name: 'instances', description: 'Register, beat, drain, leave' },
        { name: 'queries', description: 'What is known' },
        { name: 'endpoints', description: 'Registrations without a lease, by address' },
        { name: 'hosts', description: 'Whole services as lists of hosts, without leases' },
        {
          name: 'resources',
          description: 'Listeners, routes, clusters and more, as clients are served them',
        },
        { name: 'discovery', description: 'Who is where, for clients that poll' },
        { name: 'v1', description: 'The first generation of discovery, and its registration calls' },
        { name: 'operations', description: 'Health, metrics, this document' },
      ],
    },
    transform: ({ schema, url, route }) => {
      const { requiredBody, ...documented } = route.config?.documented ?? {}
      const mark = documented.body === undefined ? {} : { [OPTIONAL_BODY]: true }
      const checkedElsewhere = requiredBody === undefined ? {} : { body: requiredBody }
      return { schema: { ...schema, ...documented, ...mark, ...checkedElsewhere }, url }
    },
  })
}

/** A word of our own between transform and document: the generator has none for a body that may be missing. */
const OPTIONAL_BODY = 'x-optional-body'

interface Operation {
  [OPTIONAL_BODY]?: boolean
  requestBody?: { required?: boolean }
}

/** The document as JSON text; made once, at the first call after the app is ready. */
export function documentOf(app: HttpApp): () => string {
  let text: string | undefined
  return () => {
    text ??= JSON.stringify(withOptionalBodies(app.swagger()))
    return text
  }
}

function withOptionalBodies(document: object): object {
  for (const path of Object.values((document as { paths?: object }).paths ?? {})) {
    for (const operation of Object.values(path as Readonly<Record<string, Operation>>)) {
      if (operation[OPTIONAL_BODY] && operation.requestBody) operation.requestBody.required = false
      delete operation[OPTIONAL_BODY]
    }
  }
  return document
}
