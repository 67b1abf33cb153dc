/**
 * When the certificates in secrets run out, and who is told in time: the log once, `/readyz` and the metrics for as
 * long as it lasts. A certificate runs out soon when less than a tenth of its life is left.
 */
import type { JsonValue } from '@bufbuild/protobuf'
import type { Clock, Timer } from '../clock.ts'
import type { Resource } from '../xds/resource.ts'
import { documentOf } from './any-json.ts'
import { certificatesIn } from './certificates.ts'
import { locatedIn } from './effective.ts'
import { shownAs } from './placed.ts'
import type { ResourceStore } from './resource-store.ts'

export interface ExpiringSecret {
  readonly name: string
  readonly group: string
  /** `secrets "web"` */
  readonly shown: string
  /** Of the certificate that runs out first, wall time in milliseconds. */
  readonly notAfter: number
  readonly state: 'valid' | 'expiring' | 'expired'
}

export interface ExpiryLog {
  warn(details: object, message: string): void
}

interface Life {
  readonly notBefore: number
  readonly notAfter: number
}

const LOOK_MS = 60 * 60 * 1000
const SOON_SHARE = 0.1

export class CertificateExpiry {
  readonly #store: ResourceStore
  readonly #clock: Clock
  readonly #log: ExpiryLog
  readonly #lives = new WeakMap<Resource, { life: Life | undefined }>()
  #said: ReadonlySet<string> = new Set()
  #timer: Timer | undefined

  constructor({ store, clock, log }: { store: ResourceStore; clock: Clock; log: ExpiryLog }) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    store.on(() => this.#look())
    this.#schedule()
  }

  /** Every secret that holds a certificate. */
  list(): ExpiringSecret[] {
    const now = this.#clock.wallTime().getTime()
    return Array.from(locatedIn(this.#store.effective())).flatMap(located => {
      const { name, kind, resource } = located.resource
      const life = kind.type.isConfidential ? this.#lifeOf(resource) : undefined
      if (!life) return []
      const { notAfter } = life
      return [{ name, group: located.group, shown: shownAs(located), notAfter, state: stateOf(life, now) }]
    })
  }

  /** For people. */
  warnings(): string[] {
    return this.list().flatMap(each => warningOf(each) ?? [])
  }

  close(): void {
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(LOOK_MS, () => {
      this.#look()
      this.#schedule()
    })
  }

  #look(): void {
    const warnings = new Set(this.warnings())
    for (const warning of warnings) if (!this.#said.has(warning)) this.#log.warn({}, warning)
    this.#said = warnings
  }

  #lifeOf(resource: Resource): Life | undefined {
    const known = this.#lives.get(resource) ?? { life: lifeIn(documentOf(resource)) }
    this.#lives.set(resource, known)
    return known.life
  }
}

function warningOf({ shown, notAfter, state }: ExpiringSecret): string | undefined {
  const at = new Date(notAfter).toISOString()
  if (state === 'expired') return `${shown}: a certificate has run out at ${at}`
  return state === 'expiring' ? `${shown}: a certificate runs out at ${at}` : undefined
}

function stateOf({ notBefore, notAfter }: Life, now: number): ExpiringSecret['state'] {
  if (now >= notAfter) return 'expired'
  return notAfter - now < (notAfter - notBefore) * SOON_SHARE ? 'expiring' : 'valid'
}

interface SecretDocument {
  readonly tls_certificate?: { readonly certificate_chain?: Source }
  readonly validation_context?: { readonly trusted_ca?: Source }
}

interface Source {
  readonly inline_bytes?: string
  readonly inline_string?: string
}

/** Of the certificate in it that runs out first; undefined where there is none. */
function lifeIn(document: JsonValue): Life | undefined {
  const { tls_certificate: certificate, validation_context: validation } = document as SecretDocument
  const { inline_bytes: bytes, inline_string: text } =
    certificate?.certificate_chain ?? validation?.trusted_ca ?? {}
  const pem = bytes === undefined ? (text ?? '') : Buffer.from(bytes, 'base64').toString('latin1')
  const lives = certificatesIn(pem).map(({ validFrom, validTo }) => ({
    notBefore: Date.parse(validFrom),
    notAfter: Date.parse(validTo),
  }))
  // A year of more digits than dates here have is no concern of anybody.
  const known = lives.filter(life => Number.isFinite(life.notBefore) && Number.isFinite(life.notAfter))
  return known.sort((a, b) => a.notAfter - b.notAfter)[0]
}
