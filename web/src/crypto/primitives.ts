/**
 * The primitives for libsignal. It calls WebCrypto for each HMAC, which means a trip to another thread that takes
 * twenty times as long as the HMAC of a few bytes, so HMACs are computed here. X25519 is the browser's own, if it has
 * one; libsignal's, compiled to JavaScript, is ten times slower, and is used for signatures and in older browsers.
 */
import { AsyncCurve25519Wrapper } from '@privacyresearch/curve25519-typescript'
import { setCurve, setWebCrypto } from '@privacyresearch/libsignal-protocol-typescript/lib/internal/crypto'
import { hmac } from '@noble/hashes/hmac'
import { sha256 } from '@noble/hashes/sha2'
import { concatBytes } from '@noble/ciphers/utils.js'
import type { Bytes } from '../local/bytes'

/** The bytes before a raw private key in PKCS #8 (RFC 8410). */
const PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)
const BASE = Uint8Array.of(9, ...new Uint8Array(31))
const X25519 = 'X25519'

/** To be called before any function of libsignal. */
export function prepare(): void {
  setWebCrypto(nearby() as unknown as Crypto)
  setCurve(new Curve())
}

/** The part of WebCrypto that libsignal uses. A key for HMAC is just its bytes. */
function nearby(): { getRandomValues: Crypto['getRandomValues']; subtle: object } {
  const { subtle } = crypto
  return {
    getRandomValues: (array) => crypto.getRandomValues(array),
    subtle: {
      importKey(
        format: 'raw',
        key: ArrayBuffer,
        algorithm: { name: string },
        ...rest: [boolean, KeyUsage[]]
      ) {
        return algorithm.name === 'HMAC' ? key : subtle.importKey(format, key, algorithm, ...rest)
      },
      sign(_: unknown, key: ArrayBuffer, data: ArrayBuffer) {
        return hmac(sha256, new Uint8Array(key), new Uint8Array(data)).slice().buffer
      },
      encrypt: subtle.encrypt.bind(subtle),
      decrypt: subtle.decrypt.bind(subtle)
    }
  }
}

class Curve extends AsyncCurve25519Wrapper {
  /** Whether the browser supports it; known after the first try. */
  private native: boolean | undefined

  override async keyPair(privKey: ArrayBuffer): Promise<{ pubKey: ArrayBuffer; privKey: ArrayBuffer }> {
    if (!(await this.isNative())) return super.keyPair(privKey)
    const priv = new Uint8Array(privKey.slice(0))
    priv[0] = (priv[0] ?? 0) & 248
    priv[31] = ((priv[31] ?? 0) & 127) | 64
    return { pubKey: await agree(BASE, priv), privKey: priv.buffer }
  }

  /** Rejects if the public key is one of the few that lead to no secret. */
  override async sharedSecret(pubKey: ArrayBuffer, privKey: ArrayBuffer): Promise<ArrayBuffer> {
    const shared = (await this.isNative())
      ? await agree(new Uint8Array(pubKey), new Uint8Array(privKey))
      : await super.sharedSecret(pubKey, privKey)
    if (new Uint8Array(shared).every((byte) => byte === 0))
      throw new TypeError('not a public key to agree with')
    return shared
  }

  private async isNative(): Promise<boolean> {
    this.native ??= await agree(BASE, BASE).then(
      () => true,
      () => false
    )
    return this.native
  }
}

async function agree(pub: Bytes, priv: Bytes): Promise<ArrayBuffer> {
  const { subtle } = crypto
  const [mine, theirs] = await Promise.all([
    subtle.importKey('pkcs8', concatBytes(PKCS8, priv), X25519, false, ['deriveBits']),
    subtle.importKey('raw', pub, X25519, false, [])
  ])
  return subtle.deriveBits({ name: X25519, public: theirs }, mine, 256)
}
