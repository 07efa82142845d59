/**
 * Encrypts what two devices of an account exchange with a secret that only they share: AES-256-GCM, with keys derived
 * by HKDF-SHA-256 (both from WebCrypto) for each direction and transfer. An answer is bound to the bytes of its
 * question. So a message can't be reflected to its sender, and an answer can't be replayed for another question or
 * transfer.
 */
import { concatBytes, randomBytes } from '@noble/ciphers/utils.js'
import { type Bytes, fromBase64url } from '../local/bytes'

const NONCE = 12
const TAG = 16
const SECRET = 32
const LABEL = 'Kith history 1'

/** What was received was not encrypted by the other device, or was changed. */
export class Forged extends Error {}

export type Side = 'giver' | 'taker'

export class Channel {
  private constructor(
    private readonly mine: CryptoKey,
    private readonly theirs: CryptoKey
  ) {}

  /** `secret`: 32 bytes in base64url; `id`: the id of the transfer. */
  static async open(secret: string, id: string, side: Side): Promise<Channel> {
    const [giver, taker] = await Promise.all([derived(secret, id, 'giver'), derived(secret, id, 'taker')])
    return side === 'giver' ? new Channel(giver, taker) : new Channel(taker, giver)
  }

  /** Returns a random nonce and the ciphertext. `to`: the question that this answers; empty: none. */
  async seal(data: Bytes, to: Bytes = new Uint8Array()): Promise<Bytes> {
    const iv = randomBytes(NONCE)
    const text = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: to }, this.mine, data)
    return concatBytes(iv, new Uint8Array(text))
  }

  /** Decrypts. Throws Forged. */
  async open(sealed: Bytes, to: Bytes = new Uint8Array()): Promise<Bytes> {
    if (sealed.length < NONCE + TAG) throw new Forged('too short')
    const iv = sealed.slice(0, NONCE)
    try {
      const parameters = { name: 'AES-GCM', iv, additionalData: to }
      return new Uint8Array(await crypto.subtle.decrypt(parameters, this.theirs, sealed.slice(NONCE)))
    } catch {
      throw new Forged('not by the other device')
    }
  }
}

export function newSecret(): Bytes {
  return randomBytes(SECRET)
}

/** A random id for a transfer, 16 bytes, which discloses nothing. */
export function newId(): Bytes {
  return randomBytes(16)
}

async function derived(secret: string, id: string, side: Side): Promise<CryptoKey> {
  const bytes = fromBase64url(secret)
  if (bytes.length !== SECRET) throw new Forged('not a secret')
  const material = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey'])
  const text = new TextEncoder()
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: text.encode(id), info: text.encode(`${LABEL} ${side}`) },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt']
  )
}
