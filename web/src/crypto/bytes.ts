/** Bytes as text and back, and compared. */

export type Bytes = Uint8Array<ArrayBuffer>

export function join(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let differ = 0
  for (let at = 0; at < a.length; at++) differ |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return differ === 0
}

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length))
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function binary(data: Uint8Array): string {
  let text = ''
  for (let at = 0; at < data.length; at += 4096) text += String.fromCharCode(...data.subarray(at, at + 4096))
  return text
}

/** From a string with one byte in each character. */
export function fromBinary(text: string): Bytes {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

export function base64(data: Uint8Array): string {
  return btoa(binary(data))
}

/** Base64url without padding. */
export function base64url(data: Uint8Array): string {
  return base64(data).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Of base64url, padded or not. Throws if it is none. */
export function fromBase64url(text: string): Bytes {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) throw new TypeError('not base64url')
  return fromBinary(atob(text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')))
}
