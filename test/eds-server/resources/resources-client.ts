/** A client of rollcall.v1.Resources, or of another service of unary calls, that knows nothing of it but what reflection says. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type MethodDefinition,
  type PackageDefinition,
} from '@grpc/proto-loader'
import { bytesField } from '../../../eds-server/src/xds/wire.ts'

const root = dirname(createRequire(import.meta.url).resolve('@grpc/reflection'))
const REFLECTION = join(root, '..', 'proto', 'grpc', 'reflection', 'v1', 'reflection.proto')
const SERVICE = 'rollcall.v1.Resources'

// biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server says
export type Answer = any

export interface Refusal {
  readonly code: number
  readonly details: string
  readonly rollcallCode: string
}

export class ResourcesClient implements Disposable {
  readonly #client: Client
  readonly #definition: PackageDefinition

  readonly #service: string

  private constructor(client: Client, definition: PackageDefinition, service: string) {
    this.#client = client
    this.#definition = definition
    this.#service = service
  }

  static async connect(port: number, service = SERVICE): Promise<ResourcesClient> {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    return new ResourcesClient(client, await reflected(client, service), service)
  }

  /** Rejects with a Refusal. */
  call(name: string, request: object): Promise<Answer> {
    const { path, requestSerialize, responseDeserialize } = methodOf(this.#definition, this.#service, name)
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, value: unknown): void => {
        if (error) reject(refusalOf(error))
        else resolve(value)
      }
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, answered)
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

function refusalOf({ code, details, metadata }: ServiceError): Refusal {
  return { code, details, rollcallCode: String(metadata.get('rollcall-code')[0]) }
}

function methodOf(
  definition: PackageDefinition,
  service: string,
  name: string,
): MethodDefinition<object, object> {
  const found = (definition[service] as Record<string, MethodDefinition<object, object>> | undefined)?.[name]
  if (!found) throw new Error(`${service} has no ${name}`)
  return found
}

/** The definition of the service from the files that reflection answers. */
function reflected(client: Client, service: string): Promise<PackageDefinition> {
  const info = methodOf(loadSync(REFLECTION), 'grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo')
  const call = client.makeBidiStreamRequest(info.path, info.requestSerialize, info.responseDeserialize)
  return new Promise((resolve, reject) => {
    call.on('error', reject)
    call.on('data', ({ fileDescriptorResponse }: Answer) => {
      const files: Buffer[] = fileDescriptorResponse?.fileDescriptorProto ?? []
      call.end()
      if (files.length === 0) reject(new Error('reflection does not know the service'))
      else resolve(loadFileDescriptorSetFromBuffer(Buffer.concat(files.map(file => bytesField(1, file)))))
    })
    call.write({ fileContainingSymbol: service })
  })
}
