/**
 * Encrypts the text of a message with AES-128-GCM. The ratchet transports its key and tag (XEP-0384 0.3, section 4.4).
 */
import { concatBytes, randomBytes } from '@noble/ciphers/utils.js'
import type { Bytes } from '../local/bytes'

const KEY = 16
const TAG = 16
const IV = 12
/** The maximum size of a payload to decrypt, in bytes. */
export const MAX_BYTES = 1 << 20

export interface SealedText {
  iv: Bytes
  payload: Bytes
  /** Key and tag, 32 bytes, which are encrypted for each device. */
  material: Bytes
  /** Content that is encrypted with the same key. */
  extra?: Extra
}

/** Content beside the text: AES-128-GCM with the message's key and an iv of its own; the tag is at the end. */
export interface Extra {
  iv: Uint8Array
  data: Uint8Array
}

export async function sealText(text: string, extra?: string): Promise<SealedText> {
  const raw = randomBytes(KEY)
  const iv = randomBytes(IV)
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt'])
  const plain = new TextEncoder().encode(text)
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain))
  const tag = sealed.slice(-TAG)
  const result = { iv, payload: sealed.slice(0, -TAG), material: concatBytes(raw, tag) }
  if (extra === undefined) return result
  const own = randomBytes(IV)
  const more = new TextEncoder().encode(extra)
  const data = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: own }, key, more))
  return { ...result, extra: { iv: own, data } }
}

/** Throws if it was changed. Older apps put the tag at the end of the payload, so their material is only the key. */
export async function openText(material: Uint8Array, iv: Uint8Array, payload: Uint8Array): Promise<string> {
  if (material.length !== KEY && material.length !== KEY + TAG) throw new TypeError('not a key with a tag')
  const key = await crypto.subtle.importKey('raw', material.slice(0, KEY), 'AES-GCM', false, ['decrypt'])
  const sealed = concatBytes(payload, material.subarray(KEY))
  const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: new Uint8Array(iv) }, key, sealed)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(plain)
}

/** Throws if it was changed, or is not of this message. */
export async function openExtra(material: Uint8Array, { iv, data }: Extra): Promise<string> {
  const key = await crypto.subtle.importKey('raw', material.slice(0, KEY), 'AES-GCM', false, ['decrypt'])
  const plain = await crypto.subtle.decrypt(
    { name: 'AES-GCM', iv: new Uint8Array(iv) },
    key,
    new Uint8Array(data)
  )
  return new TextDecoder().decode(plain)
}
