/**
 * A lease is the registry's promise to keep an instance until a deadline. Its clock model: deadlines are in
 * lease time (see expiry.ts), taken from the registry's own monotonic clock when a heartbeat arrives; no time
 * that a client sends is ever used, so skewed or jumping clocks of clients change nothing (F10).
 *
 * A lease lapses `ttlMs` after the last heartbeat (the instance becomes suspect) and ends after twice that (the
 * instance is removed). The holder proves itself by a secret; only its SHA-256 is kept.
 *
 * What a lease does not guarantee: that the process is alive, or that no older process still runs. Fencing is
 * the incarnation's work (incarnations.ts).
 */
import { hash, randomBytes } from 'node:crypto'
import type { Expiring } from './expiry.ts'
import type { Instance } from './instance.ts'

export const DEFAULT_TTL_MS = 15_000

/** Heartbeats are due three times in a time to live: two may be lost before the lease lapses (F41). */
export function heartbeatIntervalMs(ttlMs: number): number {
  return Math.round(ttlMs / 3)
}

const HASH_BYTES = 32

/** An instance as the registry holds it, with its lease if it has one. */
export class Holding implements Expiring {
  instance: Instance
  /** SHA-256 of the lease secret, one character a byte; undefined for an instance without a lease. */
  secretHash: string | undefined
  /** Lease time of the last heartbeat. */
  renewedAt: number
  /** Lease time before which expiry does not look at it again. */
  notBefore: number = 0
  /** False for one of before a restart that has not been heard of since (F28). */
  isConfirmed: boolean
  slot: number = -1

  constructor(instance: Instance, secretHash: string | undefined, now: number, isConfirmed: boolean) {
    this.instance = instance
    this.secretHash = secretHash
    this.renewedAt = now
    this.isConfirmed = isConfirmed
  }

  deadline(): number {
    const { ttlMs, lapsed } = this.instance
    if (ttlMs === undefined) return Number.POSITIVE_INFINITY
    return Math.max(this.notBefore, this.renewedAt + (lapsed ? 2 * ttlMs : ttlMs))
  }

  isHeldWith(secret: string): boolean {
    if (this.secretHash?.length !== HASH_BYTES) return false
    const shown = hashSecret(secret)
    // To the end, whatever differs, like timingSafeEqual; that one takes Buffers, and to fill two costs a quarter of
    // a heartbeat's check.
    let difference = 0
    for (let byte = 0; byte < HASH_BYTES; byte += 1) {
      difference |= this.secretHash.charCodeAt(byte) ^ shown.charCodeAt(byte)
    }
    return difference === 0
  }
}

/** A fresh 256-bit secret, base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** What is kept of a secret: 32 one-byte characters (Node's `binary`), a third of a Buffer's weight. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'binary')
}
