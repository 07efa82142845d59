/**
 * Encryption for the device that shows a code: HPKE (RFC 9180), base mode with X25519, HKDF-SHA256 and
 * ChaCha20-Poly1305. The code's secret is in the `info`, so only who has read the code can encrypt.
 */
import type { CipherSuite } from '@hpke/core'
import { concatBytes, randomBytes } from '@noble/ciphers/utils.js'
import type { Bytes } from '../local/bytes'
import type { Code } from './link-code'

/** The length of the encapsulated key, which precedes the ciphertext. */
const ENCAPSULATED = 32

/** Creates a code with its own key and secret. Returns it with its private key. */
export async function newCode(base: string, id: string, name: string): Promise<[Code, CryptoKeyPair]> {
  const { kem } = await hpke()
  const keys = await kem.generateKeyPair()
  const key = new Uint8Array(await kem.serializePublicKey(keys.publicKey))
  return [{ base, id, key, secret: randomBytes(16), name }, keys]
}

/** `purpose`: a label, so that a text encrypted for one purpose can't be used for another. */
export async function encryptFor(code: Code, purpose: string, text: string): Promise<Bytes> {
  const suite = await hpke()
  const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(code.key).buffer)
  const plain = new TextEncoder().encode(text)
  const info = infoOf(code, purpose).buffer
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, plain.buffer)
  return concatBytes(new Uint8Array(enc), new Uint8Array(ct))
}

/** Rejects if the data were not encrypted for this code and purpose, or are not UTF-8. */
export async function decrypt(
  code: Code,
  keys: CryptoKeyPair,
  purpose: string,
  sealed: Uint8Array
): Promise<string> {
  const suite = await hpke()
  const [enc, data] = [sealed.slice(0, ENCAPSULATED).buffer, sealed.slice(ENCAPSULATED).buffer]
  const info = infoOf(code, purpose).buffer
  const plain = await suite.open({ recipientKey: keys.privateKey, enc, info }, data)
  return new TextDecoder('utf-8', { fatal: true }).decode(plain)
}

function infoOf({ id, secret }: Code, purpose: string): Bytes {
  return concatBytes(new TextEncoder().encode(`${purpose}\0${id}\0`), secret)
}

async function hpke(): Promise<CipherSuite> {
  const [{ CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 }, { Chacha20Poly1305 }] = await Promise.all([
    import('@hpke/core'),
    import('@hpke/chacha20poly1305')
  ])
  return new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Chacha20Poly1305()
  })
}
