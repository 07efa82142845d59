/**
 * Safety numbers: sixty digits that two people compare, to be sure that they have each other's identity keys. The format
 * is libsignal's numeric fingerprint, version 0, for accounts with several keys: a digest of each account (SHA-512,
 * iterated 5200 times, of the version, the sorted keys and the address), shown as 30 digits each, the smaller number
 * first. Instead of comparing digits, one person can scan the QR code of the other, which contains both digests.
 */
import type { Address } from '../local/types'
import { concatBytes, equalBytes } from '@noble/ciphers/utils.js'
import { base64urlnopad, hex } from '@scure/base'
import { type Bytes, fromBase64url } from '../local/bytes'

const ROUNDS = 5200
const VERSION = new Uint8Array(2)
/** The number of bytes of each digest in a QR code. */
const CODE_BYTES = 32
const CODE_PREFIX = 'kith-safety:1:'

/** The digest of an account, 64 bytes. `keys`: the identity keys of its devices, 33 bytes each, in any order. */
export async function digest(account: Address, keys: Uint8Array[]): Promise<Bytes> {
  const distinct = new Map(keys.map((key) => [hex.encode(key), key]))
  const sorted = concatBytes(...[...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key))
  let hash = concatBytes(VERSION, sorted, new TextEncoder().encode(account))
  for (let round = 0; round < ROUNDS; round++) {
    hash = new Uint8Array(await crypto.subtle.digest('SHA-512', concatBytes(hash, sorted)))
  }
  return hash
}

/** The safety number of two digests: sixty digits, which are the same for both people. */
export function digits(mine: Bytes, theirs: Bytes): string {
  return [half(mine), half(theirs)].sort().join('')
}

/** The thirty digits of one side: six chunks of five bytes, each modulo 100 000. */
function half(hash: Bytes): string {
  const view = new DataView(hash.buffer)
  const chunk = (at: number): number => (view.getUint8(at) * 2 ** 32 + view.getUint32(at + 1)) % 100_000
  return [0, 5, 10, 15, 20, 25].map((at) => String(chunk(at)).padStart(5, '0')).join('')
}

/** The text of the QR code: my own digest, and what I have as the digest of the other person. */
export function code(mine: Bytes, theirs: Bytes): string {
  const [own, other] = [mine, theirs].map((digest) => base64urlnopad.encode(digest.subarray(0, CODE_BYTES)))
  return `${CODE_PREFIX}${own}.${other}`
}

export function isCode(scanned: string): boolean {
  return scanned.startsWith(CODE_PREFIX)
}

/** Whether the code that was scanned from the other person's screen contains the same two digests. */
export function matches(mine: Bytes, theirs: Bytes, scanned: string): boolean {
  if (!isCode(scanned)) return false
  try {
    const [theirOwn, theirMine, ...rest] = scanned.slice(CODE_PREFIX.length).split('.').map(fromBase64url)
    if (theirOwn === undefined || theirMine === undefined || rest.length > 0) return false
    return (
      equalBytes(theirOwn, theirs.subarray(0, CODE_BYTES)) &&
      equalBytes(theirMine, mine.subarray(0, CODE_BYTES))
    )
  } catch {
    return false
  }
}
