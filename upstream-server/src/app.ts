/** The sample upstream itself: `GET /` answers the UUID of this process. `/healthz` comes with the registration. */
import { fastifyRollcall } from '@rollcall/sdk/fastify'
import { type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'
import type { UpstreamOptions } from './options.ts'

/** Everything that joining the fleet takes is the one `register` call; the rest is the app. */
export async function buildApp(
  options: UpstreamOptions,
  uuid: string,
  logger: Logger,
): Promise<FastifyInstance> {
  const { service, registry, address, weight, zone, metadata } = options
  const app = fastify({ logger: false })
  app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(uuid))
  if (registry === 'none') {
    app.get('/healthz', (_request, reply) => reply.send({ status: 'healthy' }))
    closeOnSignal(app)
    return app
  }
  await app.register(fastifyRollcall, {
    ...{ service, registry, address, weight, zone, metadata, logger },
    drainOn: ['SIGTERM', 'SIGINT'],
  })
  return app
}

/** With a registration, its drain does this. */
function closeOnSignal(app: FastifyInstance): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close())
}
