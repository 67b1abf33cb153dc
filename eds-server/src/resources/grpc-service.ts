/** `rollcall.v1.Resources`: the operations of ResourceApi as unary calls, refusals as statuses. */
import { decoder, serviceDefinition } from '../xds/protos.ts'
import { type SideService, unaryWith } from '../xds/side-service.ts'
import type { DocumentError } from './document-error.ts'
import { kindNamed, kindOf } from './kinds.ts'
import type { Address, ResourceApi, ResourceView } from './resource-api.ts'

export const RESOURCES_SERVICE = 'rollcall.v1.Resources'

interface AnyMessage {
  readonly type_url?: string
  readonly value?: Buffer
}

interface ResourceMessage extends Omit<ResourceView, 'type' | 'resource' | 'encoded'> {
  readonly type_url: string
  readonly resource?: AnyMessage
}

interface Addressed {
  readonly type_url?: string
  readonly name?: string
  readonly group?: string
}

interface ListResponse {
  readonly resources: readonly ResourceMessage[]
  readonly errors: readonly DocumentError[]
}

interface PutResponse {
  readonly resource: ResourceMessage
  readonly created: boolean
}

export function resourcesService(api: ResourceApi, failed: (error: unknown) => void): SideService {
  const answering = unaryWith(failed)
  const implementation = {
    List: answering(({ type_url: typeUrl, group }: Addressed): ListResponse => {
      const type = typeUrl ? pluralOf(typeUrl) : undefined
      const views = api.list({ full: true, ...(type && { type }), ...(group !== undefined && { group }) })
      return { resources: views.map(messageOf), errors: api.errors() }
    }),
    Get: answering((request: Addressed): ResourceMessage => messageOf(api.get(addressOf(request)))),
    Put: answering(
      ({ group = '', resource = {} }: { group?: string; resource?: AnyMessage }): PutResponse => {
        const { result, view } = api.putAny(group, resource.type_url ?? '', resource.value ?? Buffer.alloc(0))
        return { resource: messageOf(view), created: result === 'created' }
      },
    ),
    Delete: answering((request: Addressed): object => {
      api.delete(addressOf(request))
      return {}
    }),
  }
  return { name: RESOURCES_SERVICE, definition: serviceDefinition(RESOURCES_SERVICE), implementation }
}

function addressOf({ type_url: typeUrl = '', name = '', group = '' }: Addressed): Address {
  return { type: pluralOf(typeUrl), name, group }
}

/** What is no type URL goes on as it is, and is refused by name. */
function pluralOf(typeUrl: string): string {
  return kindOf(typeUrl)?.plural ?? typeUrl
}

const decodeAny = decoder('google.protobuf.Any')

function messageOf({ type, name, group, version, origin, source, encoded }: ResourceView): ResourceMessage {
  const message = { type_url: kindNamed(type)?.type.typeUrl ?? type, name, group, version, origin, source }
  return encoded ? { ...message, resource: decodeAny(Buffer.from(encoded)) } : message
}
