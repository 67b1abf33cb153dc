/**
 * `envoy.service.discovery.v3.Resource`: what delta sends each resource in, and state of the world those that have a
 * time to live.
 */
import type { Resource } from './resource.ts'
import { bytesField, stringField, uintField } from './wire.ts'

const FIELD = { VERSION: 1, RESOURCE: 2, NAME: 3, ALIASES: 4, TTL: 6 } as const
const DURATION = { SECONDS: 1, NANOS: 2 } as const
const ANY = { TYPE_URL: 1, VALUE: 2 } as const
const WRAPPER_TYPE_URL = 'type.googleapis.com/envoy.service.discovery.v3.Resource'

/** Name and version beside the message; the time to live for clients that know what it means. */
export function wrapped(resource: Resource, isTimed: boolean): Buffer {
  const { name, version, any } = resource
  return Buffer.concat([
    stringField(FIELD.VERSION, version),
    bytesField(FIELD.RESOURCE, any),
    stringField(FIELD.NAME, name),
    ...(isTimed ? ttlField(resource) : []),
  ])
}

/** The time to live begins anew; the client has the resource at this version. */
export function heartbeat(resource: Resource): Buffer {
  const { name, version } = resource
  return Buffer.concat([
    stringField(FIELD.VERSION, version),
    stringField(FIELD.NAME, name),
    ...ttlField(resource),
  ])
}

/** The name leads to nothing. */
export function unresolved(name: string): Buffer {
  return Buffer.concat([stringField(FIELD.NAME, name), stringField(FIELD.ALIASES, name)])
}

/** The `Any` of state of the world: the resource itself, or a wrapper for its time to live. */
export function sotwAny(resource: Resource, isTimed: boolean): Buffer {
  if (!isTimed || resource.ttlMs === undefined) return resource.any
  return Buffer.concat([
    stringField(ANY.TYPE_URL, WRAPPER_TYPE_URL),
    bytesField(ANY.VALUE, wrapped(resource, true)),
  ])
}

function ttlField({ ttlMs }: Resource): Buffer[] {
  if (ttlMs === undefined) return []
  const seconds = Math.floor(ttlMs / 1000)
  const duration = [
    uintField(DURATION.SECONDS, seconds),
    uintField(DURATION.NANOS, (ttlMs - seconds * 1000) * 1_000_000),
  ]
  return [bytesField(FIELD.TTL, Buffer.concat(duration))]
}
