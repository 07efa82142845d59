/**
 * Safety numbers, which two people compare, made from all identity keys of both. The format is libsignal's numeric
 * fingerprint of version 0, for several keys: SHA-512, 5200 times, over the version, the sorted keys, and the address;
 * 30 digits of each side, the smaller first.
 */
import type { Address } from '../local/types'
import { concatBytes, equalBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad, hex } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'

const ROUNDS = 5200
const VERSION = new Uint8Array(2)
const SHOWN = 32
const CODE = 'kith-safety:1:'

/** 64 bytes. `keys`: 33 bytes each, in any order. */
export async function digest(account: Address, keys: Uint8Array[]): Promise<Bytes> {
  const distinct = new Map(keys.map((key) => [hex.encode(key), key]))
  const sorted = concatBytes(...[...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key))
  let hash = concatBytes(VERSION, sorted, new TextEncoder().encode(account))
  for (let round = 0; round < ROUNDS; round++) {
    hash = new Uint8Array(await crypto.subtle.digest('SHA-512', concatBytes(hash, sorted)))
  }
  return hash
}

/** Sixty digits, the same regardless of the order of the sides. */
export function digits(mine: Bytes, theirs: Bytes): string {
  return [half(mine), half(theirs)].sort().join('')
}

function half(hash: Bytes): string {
  const view = new DataView(hash.buffer)
  const chunk = (at: number): number => (view.getUint8(at) * 2 ** 32 + view.getUint32(at + 1)) % 100_000
  return [0, 5, 10, 15, 20, 25].map((at) => String(chunk(at)).padStart(5, '0')).join('')
}

/** For a QR code: my digest, and that of the other side as I know it. */
export function code(mine: Bytes, theirs: Bytes): string {
  return `${CODE}${base64urlnopad.encode(mine.subarray(0, SHOWN))}.${base64urlnopad.encode(theirs.subarray(0, SHOWN))}`
}

export function isCode(scanned: string): boolean {
  return scanned.startsWith(CODE)
}

/** Whether the scanned code of the other side has the same digests. */
export function fits(mine: Bytes, theirs: Bytes, scanned: string): boolean {
  if (!isCode(scanned)) return false
  try {
    const [theirOwn, theirMine, ...rest] = scanned.slice(CODE.length).split('.').map(fromBase64url)
    if (theirOwn === undefined || theirMine === undefined || rest.length > 0) return false
    return equalBytes(theirOwn, theirs.subarray(0, SHOWN)) && equalBytes(theirMine, mine.subarray(0, SHOWN))
  } catch {
    return false
  }
}
