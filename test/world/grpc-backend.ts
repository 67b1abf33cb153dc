/** A gRPC backend that says who it is, and a client of it that goes by gRPC's own xDS. */
import { type ChildProcess, fork } from 'node:child_process'
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'

const same = (bytes: Buffer): Buffer => bytes

/** One method: takes nothing and answers the backend's name as bytes. */
export const WHO: ServiceDefinition = {
  ask: {
    path: '/rollcall.test.Who/Ask',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
}

export class GrpcBackend implements AsyncDisposable {
  readonly port: number
  readonly #server: Server

  constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
  }
}

export async function startGrpcBackend(name: string): Promise<GrpcBackend> {
  const server = new Server()
  type Answer = (error: null, value: Buffer) => void
  server.addService(WHO, { ask: (_call: unknown, answer: Answer) => answer(null, Buffer.from(name)) })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return new GrpcBackend(server, port)
}

/** Asks `xds:///<target>` again and again, in a process of its own, who answers. */
export class XdsClient implements AsyncDisposable {
  /** The names that answered, and the errors, in order. */
  readonly answers: string[] = []
  readonly errors: string[] = []
  readonly #process: ChildProcess

  constructor(target: string, serverPort: number) {
    const channel_creds = [{ type: 'insecure' }]
    const xds_servers = [
      { server_uri: `127.0.0.1:${serverPort}`, channel_creds, server_features: ['xds_v3'] },
    ]
    // Without a locality the client would not start.
    const bootstrap = { xds_servers, node: { id: 'grpc-client', cluster: 'tests', locality: {} } }
    this.#process = fork(new URL('./xds-client-process.ts', import.meta.url), [target], {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', ({ name, error }: { name?: string; error?: string }) => {
      if (name !== undefined) this.answers.push(name)
      else this.errors.push(String(error))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill()
  }
}
