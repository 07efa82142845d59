/**
 * The byte-array type, and lenient base64 decoding. Encoding is left to `@scure/base`, comparing and joining to
 * `@noble/ciphers/utils`.
 */
import { base64, base64url } from '@scure/base'

export type Bytes = Uint8Array<ArrayBuffer>

/**
 * Bytes from base64 (RFC 4648 §4), with or without padding. White space is skipped, since some XMPP clients break lines.
 * Throws if the text is anything else.
 */
export function fromBase64(text: string): Bytes {
  return new Uint8Array(base64.decode(padded(text.replace(/\s+/g, ''))))
}

/** Bytes from base64url (RFC 4648 §5), with or without padding. Throws if the text is anything else. */
export function fromBase64url(text: string): Bytes {
  return new Uint8Array(base64url.decode(padded(text)))
}

function padded(text: string): string {
  return text.includes('=') ? text : text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}
