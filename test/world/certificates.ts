/** Certificates for tests, made by openssl: each with a key of its own, signed by itself. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** For the host name; `days`: how long it is valid from now on. */
export function certificateFor(host: string, days = 30): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-certificate-'))
  const [key, certificate] = [join(folder, 'key'), join(folder, 'crt')]
  try {
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
    const files = ['-keyout', key, '-out', certificate]
    execFileSync('openssl', ['req', '-x509', ...kind, '-days', String(days), ...subject, ...files], {
      stdio: 'pipe',
    })
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Texts inside the key that nothing but the key has in it. */
export function markersIn({ key }: Certificate): string[] {
  const lines = key.split('\n').filter(line => line !== '' && !line.startsWith('-----'))
  const text = lines.join('')
  const bytes = Buffer.from(key)
  return [text.slice(20, 52), text.slice(60, 92), bytes.toString('base64').slice(80, 112)]
}

let mounts = 0

/** Writes the folder as Kubernetes mounts it: all of it changes in one rename of a symbolic link. */
export function mountSecret(folder: string, files: Readonly<Record<string, string>>): void {
  mounts += 1
  const version = `..version-${mounts}`
  mkdirSync(join(folder, version), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, version, name), text)
  const next = join(folder, `..next-${mounts}`)
  symlinkSync(version, next)
  renameSync(next, join(folder, '..data'))
  for (const name of Object.keys(files)) {
    const link = join(folder, `..link-${name}`)
    symlinkSync(join('..data', name), link)
    renameSync(link, join(folder, name))
  }
}
