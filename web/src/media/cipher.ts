/** Whole files in AES-256-GCM, as other apps have them (XEP-0454): the tag is at the end. */
import { base64 } from '@scure/base'
import { type Bytes, fromBase64 } from '../local/bytes'
import { LARGEST_WHOLE, TAG } from '../local/media'

/** A file was changed, is cut off, or is not the one that was described. */
export class NotAuthentic extends Error {
  constructor() {
    super('the file is not authentic')
  }
}

/** A new key (32 bytes) and iv (12 bytes), in base64. */
export function newSecret(): { key: string; iv: string } {
  const random = (length: number): string => base64.encode(crypto.getRandomValues(new Uint8Array(length)))
  return { key: random(32), iv: random(12) }
}

/** SHA-256 of a file, in base64. It is read at once, so it should be no larger than LARGEST_WHOLE. */
export async function digestOf(data: Blob | Bytes): Promise<string> {
  const bytes = data instanceof Blob ? await data.arrayBuffer() : data
  return base64.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

/** Throws RangeError if the file is larger than LARGEST_WHOLE. */
export async function encryptWhole(data: Blob, key: string, iv: string): Promise<Blob> {
  if (data.size > LARGEST_WHOLE) throw new RangeError('too large to be encrypted as a whole')
  const secret = await keyOf(key, 'encrypt')
  const parameters = { name: 'AES-GCM', iv: fromBase64(iv) }
  return new Blob([await crypto.subtle.encrypt(parameters, secret, await data.arrayBuffer())])
}

/**
 * The content, which has the MIME type `type`. `digest`: SHA-256 of the content, if it is known. Throws NotAuthentic.
 */
export async function decryptWhole(
  data: Blob,
  key: string,
  iv: string,
  digest: string | undefined,
  type: string
): Promise<Blob> {
  if (data.size > LARGEST_WHOLE + TAG) throw new NotAuthentic()
  const secret = await keyOf(key, 'decrypt')
  let plain: ArrayBuffer
  try {
    plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: fromBase64(iv) },
      secret,
      await data.arrayBuffer()
    )
  } catch {
    throw new NotAuthentic()
  }
  if (digest !== undefined && (await digestOf(new Uint8Array(plain))) !== digest) throw new NotAuthentic()
  return new Blob([plain], { type })
}

/** The secret with which somebody claims a file at the server, base64url (docs/media.md, Claims and quotas). */
export async function claimSecret(key: string): Promise<Bytes> {
  const material = await crypto.subtle.importKey('raw', fromBase64(key), 'HKDF', false, ['deriveBits'])
  const info = new TextEncoder().encode('Kith media 0 claim')
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, material, 256))
}

function keyOf(key: string, use: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', fromBase64(key), 'AES-GCM', false, [use])
}
