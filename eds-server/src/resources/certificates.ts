/**
 * Certificates and keys in files as `Secret` resources: checked before a client sees them, and named without repeating
 * any of their bytes (F66).
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { basename } from 'node:path'
import { SECRET } from '../xds/resource-type.ts'
import type { Admission, AdmittedResource } from './admission.ts'
import { refusal } from './refusal.ts'
import { SECRET_FILES, type SecretFile, type SecretParts } from './secret-folder.ts'

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
/** Of the secret that holds `ca.crt`. */
const CA_SUFFIX = '-ca'

/** The folder's own name with certificate and key, and `<name>-ca` with what others are checked by. */
export function secretsOf(parts: SecretParts, folder: string, admission: Admission): AdmittedResource[] {
  const name = basename(folder)
  const { chain, key, authorities } = checked(parts, folder)
  const certificate = chain &&
    key && {
      tls_certificate: { certificate_chain: inline(pemOf(chain)), private_key: inline(key) },
    }
  const validation = authorities && { validation_context: { trusted_ca: inline(pemOf(authorities)) } }
  return [
    ...(certificate ? [{ '@type': SECRET.typeUrl, name, ...certificate }] : []),
    ...(validation ? [{ '@type': SECRET.typeUrl, name: name + CA_SUFFIX, ...validation }] : []),
  ].map(document => admission.json(document, folder))
}

/** Every certificate in the text; empty for a text that has none, or one that cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] {
  try {
    return Array.from(pem.match(PEM) ?? [], text => new X509Certificate(text))
  } catch (error) {
    // OpenSSL's words; that it cannot be read is all that is said.
    if (error instanceof Error) return []
    throw error
  }
}

interface Checked {
  readonly chain?: readonly X509Certificate[]
  readonly key?: Buffer
  readonly authorities?: readonly X509Certificate[]
}

function checked(parts: SecretParts, folder: string): Checked {
  const [certificate, key, authority] = SECRET_FILES.map(file => parts.get(file))
  if (!certificate !== !key) {
    const [has, lacks] = certificate ? ['tls.crt', 'tls.key'] : ['tls.key', 'tls.crt']
    throw refusal(folder, { path: '', reason: `has ${has} without ${lacks}` })
  }
  const authorities = authority && certificatesOf(authority, folder, 'ca.crt')
  if (!certificate || !key) {
    if (authorities) return { authorities }
    throw refusal(folder, { path: '', reason: `has none of ${SECRET_FILES.join(', ')}` })
  }
  const chain = certificatesOf(certificate, folder, 'tls.crt')
  const [leaf] = chain
  if (!leaf?.checkPrivateKey(keyOf(key, folder))) {
    throw refusal(folder, { path: '', reason: 'tls.key is not the key of the first certificate in tls.crt' })
  }
  return { chain, key, ...(authorities && { authorities }) }
}

function certificatesOf(bytes: Buffer, folder: string, file: SecretFile): readonly X509Certificate[] {
  const certificates = certificatesIn(bytes.toString('latin1'))
  if (certificates.length > 0) return certificates
  throw refusal(folder, { path: '', reason: `${file} has no certificates in PEM that can be read` })
}

function keyOf(bytes: Buffer, folder: string): KeyObject {
  try {
    return createPrivateKey(bytes)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // Without the library's words as its cause: they are about the key.
    const reason = 'tls.key is no private key in PEM that can be read without a password'
    throw refusal(folder, { path: '', reason })
  }
}

/** Only the certificates: what else is in the file (a key, say) would be shown. */
function pemOf(certificates: readonly X509Certificate[]): Buffer {
  return Buffer.from(certificates.map(String).join(''))
}

function inline(bytes: Buffer): { inline_bytes: string } {
  return { inline_bytes: bytes.toString('base64') }
}
