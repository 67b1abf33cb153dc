/** Resources for the caches under test, encoded by the protobuf library from the checked-in descriptor sets. */
import { readFileSync } from 'node:fs'
import { loadFileDescriptorSetFromBuffer, type MessageTypeDefinition } from '@grpc/proto-loader'
import { buildAssignment } from '../../eds-server/src/endpoints/endpoint-builder.ts'
import { createResource, type Resource } from '../../eds-server/src/xds/resource.ts'
import {
  CLUSTER,
  ENDPOINT,
  LISTENER,
  type ResourceType,
  ROUTE,
} from '../../eds-server/src/xds/resource-type.ts'
import { record } from '../world/records.ts'

const definitions = loadFileDescriptorSetFromBuffer(
  readFileSync(new URL('./resources.binpb', import.meta.url)),
)
const CONNECTION_MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const EDS = 3

export function messageType(name: string): MessageTypeDefinition<object, object> {
  const definition = definitions[name]
  if (!definition || !('serialize' in definition)) throw new Error(`no message ${name} in resources.binpb`)
  return definition as MessageTypeDefinition<object, object>
}

/** An assignment with a healthy endpoint of 127.0.0.1 at each port. */
export function assignment(name: string, ...ports: number[]): Resource {
  const instances = ports.map(port => ({
    ...record({
      service: name,
      instanceId: `${port}`,
      port,
      locality: { region: 'eu', zone: 'a', subZone: '' },
    }),
    incarnation: 1,
    lapsed: false,
    stalled: false,
    ttlMs: undefined,
    registeredAtMs: 0,
  }))
  return createResource(ENDPOINT, name, buildAssignment(name, instances))
}

/** A cluster that takes its endpoints by EDS over the same stream; `seconds` is there to tell versions apart. */
export function cluster(name: string, { seconds = 1, serviceName = name } = {}): Resource {
  return encoded(CLUSTER, name, {
    name,
    type: EDS,
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 2 }, service_name: serviceName },
    connect_timeout: { seconds },
  })
}

/** A listener of a gRPC client for the target `name`, with its routes from RDS. */
export function listener(name: string, routes: string): Resource {
  const manager = messageType(CONNECTION_MANAGER).serialize({
    rds: { route_config_name: routes, config_source: { ads: {}, resource_api_version: 2 } },
  })
  const any = { type_url: `type.googleapis.com/${CONNECTION_MANAGER}`, value: manager }
  return encoded(LISTENER, name, { name, api_listener: { api_listener: any } })
}

/** All requests to one cluster. */
export function route(name: string, clusterName: string): Resource {
  const routes = [{ match: { prefix: '' }, route: { cluster: clusterName } }]
  return encoded(ROUTE, name, { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] })
}

function encoded(type: ResourceType, name: string, message: object): Resource {
  return createResource(
    type,
    name,
    messageType(type.typeUrl.replace('type.googleapis.com/', '')).serialize(message),
  )
}
