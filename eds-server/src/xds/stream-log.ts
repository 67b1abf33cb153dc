/** What is counted and logged of one stream: who, and what clients say cut to a size that no client decides. */
import type { Logger } from 'pino'
import type { Verdict } from './ledger.ts'
import { SECRETS_WITHHELD } from './secrecy.ts'
import type { XdsObserver } from './stream-context.ts'

const TEXT = 200
const MESSAGE = 1024
const NAMES = 20

export class StreamLog {
  readonly #logger: Logger
  readonly #observer: XdsObserver
  readonly #protocol: 'sotw' | 'delta'
  readonly #who: () => { node: string; peer: string }
  #hasLoggedSilence = false
  #hasLoggedSecrets = false

  constructor(
    { logger, observer }: { logger: Logger; observer: XdsObserver },
    protocol: 'sotw' | 'delta',
    who: () => { node: string; peer: string },
  ) {
    this.#logger = logger
    this.#observer = observer
    this.#protocol = protocol
    this.#who = () => {
      const { node, peer } = who()
      return { node: node.slice(0, TEXT), peer }
    }
  }

  /** An ACK or a NACK. */
  verdict(typeUrl: string, { version, nonce, names, error }: Verdict): void {
    if (!error) {
      this.#observer.acked?.(typeUrl, this.#protocol)
      return
    }
    this.#observer.nacked?.(typeUrl, this.#protocol)
    const message = error.message.slice(0, MESSAGE)
    const fields = { typeUrl, version, nonce, names: names.slice(0, NAMES), code: error.code, message }
    this.#logger.warn({ ...this.#who(), ...fields }, 'NACK')
  }

  /** Once a stream: clients ask again and again. */
  silence(typeUrl: string): void {
    if (this.#hasLoggedSilence) return
    this.#hasLoggedSilence = true
    this.#logger.info({ ...this.#who(), typeUrl: typeUrl.slice(0, TEXT) }, 'nothing of this type here')
  }

  /** Logged once a stream. */
  secretsWithheld(typeUrl: string): void {
    this.#observer.secretsWithheld?.()
    if (this.#hasLoggedSecrets) return
    this.#hasLoggedSecrets = true
    this.#logger.warn({ ...this.#who(), typeUrl }, SECRETS_WITHHELD)
  }

  stalled(afterMs: number): void {
    this.#observer.slowClientClosed?.()
    this.#logger.warn(this.#who(), `closed: took no response for ${afterMs} ms`)
  }

  bug(error: unknown): void {
    this.#logger.error({ err: error, ...this.#who() }, 'a request could not be handled')
  }
}
