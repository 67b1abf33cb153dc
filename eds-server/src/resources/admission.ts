/**
 * From a JSON value to a resource that Envoy will take: known fields, right types, the rules of the .proto files,
 * a name, a bounded size. What is refused is named by its path and changes nothing.
 */
import { type DescMessage, fromJson, type JsonValue, type Message, toBinary } from '@bufbuild/protobuf'
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import { messageRegistry } from '../xds/message-registry.ts'
import { createResource, type Resource } from '../xds/resource.ts'
import { VIRTUAL_HOST } from '../xds/resource-type.ts'
import { jsonOfAny } from './any-json.ts'
import { blame, messageNamed, unknownType } from './blame.ts'
import { isObject, jsonTree, Unfit } from './json-tree.ts'
import { KINDS, type Kind, kindOf } from './kinds.ts'
import { type Reference, referencesIn } from './references.ts'
import { refusal, step } from './refusal.ts'
import { ruleFlaw } from './rules.ts'
import { secretsIn } from './secrets.ts'
import { walk } from './walk.ts'
import { ttlOf, WRAPPER, type Wrapper, wrapperOf } from './wrapper.ts'

export interface AdmittedResource {
  readonly kind: Kind
  readonly name: string
  /** The bytes, and a version that is a hash of them. */
  readonly resource: Resource
  readonly references: readonly Reference[]
  /** JSON pointers of the parts that are never shown. */
  readonly secrets: readonly string[]
}

export interface AdmissionOptions {
  /** False: a resource that holds a secret is refused, because everybody on the way could read it. */
  readonly secretsAllowed: boolean
  /** True: not refused in a `Secret`, which came by no network and is served to nobody who can be overheard (F62). */
  readonly confidentialTypesAllowed?: boolean
}

/** Of the encoded message. */
export const RESOURCE_BYTES_MAX: number = 1024 * 1024
const NAME_BYTES_MAX = 1024

/** `where` it comes from, for refusals. Throws a RollcallError that names the part. */
export class Admission {
  readonly #options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /**
   * A message with its `@type`, or an `envoy.service.discovery.v3.Resource` around one. `at`: the JSON pointer of the
   * value in its document.
   */
  json(value: unknown, where: string, at = ''): AdmittedResource {
    return refusing(where, () => this.#unwrapped(jsonTree(value, at), where, at))
  }

  /** The same as the bytes of a `google.protobuf.Any`. */
  any(typeUrl: string, bytes: Uint8Array, where: string): AdmittedResource {
    const json = refusing(where, () => jsonOfAny(typeUrl, bytes))
    return this.json(json, where)
  }

  #maySecretsBeIn({ type }: Kind): boolean {
    const { secretsAllowed, confidentialTypesAllowed = false } = this.#options
    return secretsAllowed || (confidentialTypesAllowed && type.isConfidential)
  }

  #unwrapped(json: JsonValue, where: string, at: string): AdmittedResource {
    const desc = descriptorOf(json, at)
    const { '@type': _, ...fields } = json as Readonly<Record<string, JsonValue>>
    if (desc.typeName !== WRAPPER) return this.#admitted(desc, fields, at, where)
    const wrapper = wrapperOf(fields, at)
    const inside = step(at, 'resource')
    const innerDesc = descriptorOf(wrapper.resource, inside)
    const { '@type': __, ...innerFields } = wrapper.resource as Readonly<Record<string, JsonValue>>
    return this.#admitted(innerDesc, innerFields, inside, where, wrapper)
  }

  #admitted(
    desc: DescMessage,
    fields: JsonValue,
    at: string,
    where: string,
    wrapper?: Wrapper,
  ): AdmittedResource {
    const kind = kindOf(`type.googleapis.com/${desc.typeName}`)
    if (!kind)
      throw new Unfit({
        path: `${at}/@type`,
        reason: `is no type of resource; ${knownTypes()}`,
        value: desc.typeName,
      })
    const message = parsed(desc, fields, at)
    const root = reflect(desc, message)
    const { references, secrets } = inspected(root, at)
    const bytes = toBinary(desc, message)
    if (bytes.length > RESOURCE_BYTES_MAX) {
      const reason = `is ${bytes.length} bytes encoded; the limit is ${RESOURCE_BYTES_MAX}`
      throw refusal(where, { path: at, reason }, 'ROLLCALL_BODY_TOO_LARGE')
    }
    const name = nameOf(kind, root, at, wrapper?.name)
    const ttlMs = wrapper && ttlOf(wrapper, kind)
    const [secret] = secrets
    if (secret !== undefined && !this.#maySecretsBeIn(kind)) {
      const reason =
        'is a secret, and this server answers beyond loopback without encryption; name a file on the client instead'
      throw refusal(where, { path: secret, reason }, 'ROLLCALL_SECRET_REFUSED')
    }
    const isConfidential = kind.type.isConfidential || secrets.length > 0
    const resource = createResource(kind.type, name, bytes, { isConfidential, ttlMs })
    return { kind, name, references, secrets, resource }
  }
}

function refusing<Result>(where: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (error instanceof Unfit) throw refusal(where, error.flaw)
    throw error
  }
}

function descriptorOf(json: JsonValue, path: string): DescMessage {
  if (!isObject(json)) throw new Unfit({ path, reason: 'is not an object with an @type', value: json })
  const typeUrl = json['@type']
  if (typeof typeUrl !== 'string' || typeUrl === '') {
    throw new Unfit({ path: `${path}/@type`, reason: `is missing; ${knownTypes()}` })
  }
  const desc = messageNamed(typeUrl)
  if (!desc) throw new Unfit({ path: `${path}/@type`, reason: unknownType(typeUrl), value: typeUrl })
  return desc
}

function knownTypes(): string {
  return `there are: ${KINDS.map(({ type }) => type.typeUrl).join(', ')}`
}

function parsed(desc: DescMessage, fields: JsonValue, at: string): Message {
  try {
    return fromJson(desc, fields, { registry: messageRegistry() })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new Unfit(blame(desc, fields, at))
  }
}

function inspected(
  root: ReflectMessage,
  at: string,
): { references: readonly Reference[]; secrets: readonly string[] } {
  const references: Reference[] = []
  const secrets = new Set<string>()
  walk(root, at, (message, path) => {
    const flaw = ruleFlaw(message, path)
    if (flaw) throw new Unfit(flaw)
    references.push(...referencesIn(message, path))
    for (const secret of secretsIn(message, path.slice(at.length))) secrets.add(secret)
  })
  return { references, secrets: [...secrets] }
}

function nameOf(kind: Kind, root: ReflectMessage, at: string, wrapperName: JsonValue | undefined): string {
  const field = root.fields.find(({ name }) => name === kind.nameField)
  const own = field?.fieldKind === 'scalar' ? String(root.get(field)) : ''
  const path = step(at, kind.nameField)
  if (own === '') throw new Unfit({ path, reason: 'is missing or empty' })
  const name = typeof wrapperName === 'string' && wrapperName !== '' ? wrapperName : own
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw new Unfit({ path, reason: `has more than ${NAME_BYTES_MAX} bytes` })
  }
  // Only virtual hosts go by another name than their own: that of their route configuration comes before it.
  if (name !== own && kind.type !== VIRTUAL_HOST) {
    throw new Unfit({
      path: '/name',
      reason: `is not the ${kind.nameField} of the resource in it`,
      value: name,
    })
  }
  return name
}
