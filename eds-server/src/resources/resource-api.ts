/**
 * What callers may do with resources, whatever protocol they come by: list, get, put, delete. Values in, values out;
 * every refusal is a RollcallError. No answer ever holds a secret.
 */
import type { JsonValue } from '@bufbuild/protobuf'
import { RollcallError, shown } from '../errors.ts'
import type { Admission, AdmittedResource } from './admission.ts'
import { documentOf } from './any-json.ts'
import { API_SOURCE, type ApiStore } from './api-files.ts'
import type { DocumentError } from './document-error.ts'
import { locatedIn } from './effective.ts'
import { KINDS, type Kind, kindNamed, unknownKind } from './kinds.ts'
import type { Located, Origin } from './placed.ts'
import type { ResourceStore } from './resource-store.ts'
import { redacted } from './secrets.ts'
import { ttlText } from './wrapper.ts'

export interface ResourceView {
  /** `clusters` */
  readonly type: string
  readonly name: string
  readonly group: string
  readonly version: string
  readonly origin: Origin
  /** The file, for those of files. */
  readonly source: string
  /** Its time to live, as `2s`; missing where it has none. */
  readonly ttl?: string
  /** Missing where only names and versions were asked for. */
  readonly resource?: JsonValue
  /** The bytes of the `google.protobuf.Any`; missing for a resource that holds a secret. */
  readonly encoded?: Uint8Array
}

export interface PutResult {
  readonly result: 'created' | 'replaced'
  readonly view: ResourceView
}

/** How one is addressed. */
export interface Address {
  readonly type: string
  readonly name: string
  readonly group: string
}

const GROUP_BYTES_MAX = 1024

export interface ResourceApiOptions {
  readonly store: ResourceStore
  readonly admission: Admission
  readonly disk: ApiStore
  /** What is wrong with documents at present. */
  readonly errors: () => readonly DocumentError[]
  /** Called for each refused change. */
  readonly refused: () => void
}

export class ResourceApi {
  readonly #options: ResourceApiOptions

  constructor(options: ResourceApiOptions) {
    this.#options = options
  }

  /** Everything in force, or one type, or one group; sorted. */
  list({ type, group, full }: { type?: string; group?: string; full: boolean }): ResourceView[] {
    const kinds = type === undefined ? KINDS : [this.#kind(type)]
    const effective = this.#options.store.effective()
    const groups = group === undefined ? [...effective.keys()].sort() : [group]
    return groups.flatMap(each =>
      kinds.flatMap(({ type: { typeUrl } }) =>
        Array.from(effective.get(each)?.get(typeUrl)?.values() ?? [])
          .sort((a, b) => (a.resource.name < b.resource.name ? -1 : 1))
          .map(located => viewOf(located, full)),
      ),
    )
  }

  /** How many are in force, by origin and type. */
  counts(): { origin: Origin; type: string; count: number }[] {
    const counts = new Map<string, { origin: Origin; type: string; count: number }>()
    for (const { origin, resource } of locatedIn(this.#options.store.effective())) {
      const type = resource.kind.plural
      const key = `${origin} ${type}`
      counts.set(key, { origin, type, count: (counts.get(key)?.count ?? 0) + 1 })
    }
    return [...counts.values()]
  }

  errors(): readonly DocumentError[] {
    return this.#options.errors()
  }

  /** What the clients of the group get under this name. Throws ROLLCALL_RESOURCE_UNKNOWN. */
  get({ type, name, group }: Address): ResourceView {
    const found = this.#options.store.find(group, this.#kind(type).type.typeUrl, name)
    if (!found) throw unknown({ type, name, group })
    return viewOf(found, true)
  }

  /** `document`: the resource as JSON, of that type and name. On disk and in force once it returns. */
  put(address: Address, document: unknown): PutResult {
    return this.#counted(() => {
      const kind = this.#kind(address.type)
      return this.#put(address.group, this.#options.admission.json(document, ''), {
        kind,
        name: address.name,
      })
    })
  }

  /** The same for the bytes of a `google.protobuf.Any`, which says itself what it is. */
  putAny(group: string, typeUrl: string, bytes: Uint8Array): PutResult {
    return this.#counted(() => this.#put(group, this.#options.admission.any(typeUrl, bytes, '')))
  }

  /** Throws ROLLCALL_RESOURCE_UNKNOWN and ROLLCALL_RESOURCE_IN_USE. */
  delete(address: Address): void {
    this.#counted(() => {
      const { store, disk } = this.#options
      const { typeUrl } = this.#kind(address.type).type
      const placed = store.ownOf(address.group, typeUrl, address.name)
      if (!placed) {
        const other = store.find(address.group, typeUrl, address.name)
        throw unknown(address, other && `: ${other.source} has it, and the API has not`)
      }
      store.delete(placed, () => disk.remove(placed))
    })
  }

  #put(
    group: string,
    resource: AdmittedResource,
    expected: { kind: Kind; name: string } = resource,
  ): PutResult {
    const { store, disk } = this.#options
    if (resource.kind !== expected.kind) {
      throw mismatch('@type', resource.kind.type.typeUrl, `is none of ${expected.kind.plural}`)
    }
    if (resource.name !== expected.name) {
      throw mismatch(
        resource.kind.nameField,
        resource.name,
        `is not ${shown(expected.name)}, the name in the path`,
      )
    }
    if (Buffer.byteLength(group) > GROUP_BYTES_MAX) {
      throw mismatch('group', group, `has more than ${GROUP_BYTES_MAX} bytes`)
    }
    const placed = { group, resource, source: API_SOURCE }
    const result = store.put(placed, () => disk.write(placed))
    return { result, view: viewOf({ ...placed, origin: 'api' }, true) }
  }

  #kind(plural: string): Kind {
    const kind = kindNamed(plural)
    if (!kind) throw unknownKind(plural)
    return kind
  }

  #counted<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      this.#options.refused()
      throw error
    }
  }
}

function viewOf({ group, origin, source, resource }: Located, full: boolean): ResourceView {
  const { kind, name, secrets } = resource
  const { version, any, ttlMs } = resource.resource
  const view = {
    type: kind.plural,
    name,
    group,
    version,
    origin,
    source,
    ...(ttlMs !== undefined && { ttl: ttlText(ttlMs) }),
  }
  if (!full) return view
  const shownResource = redacted(documentOf(resource.resource), secrets)
  return { ...view, resource: shownResource, ...(secrets.length === 0 && { encoded: any }) }
}

function mismatch(field: string, value: string, reason: string): RollcallError {
  const message = `${field}: ${shown(value)} ${reason}`
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, { field, value })
}

function unknown({ type, name, group }: Address, more = ''): RollcallError {
  const where = group === '' ? '' : ` for group ${shown(group)}`
  const message = `there is no resource ${shown(name)} among ${type}${where}${more}`
  return new RollcallError('ROLLCALL_RESOURCE_UNKNOWN', message, { field: 'name', value: name })
}
