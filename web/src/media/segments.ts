/**
 * Segments: pieces of a large file or of a rendition of a video, each encrypted alone with AES-256-GCM, so that they can
 * be decrypted while they arrive, and from any place (docs/media.md). The key is derived for one stream (`file`,
 * `audio`, `240`, …), the nonce is the index, and the last one is marked as such: segments can't be swapped, repeated,
 * cut off, or taken from another stream.
 */
import type { Bytes } from '../local/bytes'

/** Bytes of plaintext in each segment of a file but the last one. */
export const SEGMENT = 1 << 20
/** Bytes by which encryption makes a segment longer. */
export const TAG = 16

const LABEL = 'Kith media 0'
const KEY = 32
const NONCE = 12
/** A stream's name is also the label of its quality: a short word. */
const STREAM = /^[a-z0-9][a-z0-9-]{0,15}$/

/** A segment was changed, moved or left out, or belongs to something else. */
export class Forged extends Error {}

const utf8 = new TextEncoder()

/** Encrypts and decrypts the segments of one stream. */
export class SegmentCipher {
  private constructor(
    private readonly key: CryptoKey,
    readonly stream: string
  ) {}

  /** `fileKey`: the 32 bytes that the descriptor has. Throws Forged if it or the name can't be one. */
  static async of(fileKey: Bytes, stream: string): Promise<SegmentCipher> {
    if (fileKey.length !== KEY) throw new Forged('not a key')
    if (!STREAM.test(stream)) throw new Forged('not the name of a stream')
    const material = await crypto.subtle.importKey('raw', fileKey, 'HKDF', false, ['deriveKey'])
    const key = await crypto.subtle.deriveKey(
      {
        name: 'HKDF',
        hash: 'SHA-256',
        salt: new Uint8Array(),
        info: utf8.encode(`${LABEL} segments ${stream}`)
      },
      material,
      { name: 'AES-GCM', length: 256 },
      false,
      ['encrypt', 'decrypt']
    )
    return new SegmentCipher(key, stream)
  }

  seal(index: number, last: boolean, data: Bytes): Promise<Bytes> {
    return this.encrypt(nonce(index), `${String(index)}\0${last ? '1' : '0'}`, data)
  }

  /** Throws Forged. */
  open(index: number, last: boolean, data: Bytes): Promise<Bytes> {
    return this.decrypt(nonce(index), `${String(index)}\0${last ? '1' : '0'}`, data)
  }

  /** The list of the segments of a rendition, which is encrypted like one. */
  sealIndex(data: Bytes): Promise<Bytes> {
    return this.encrypt(new Uint8Array(NONCE).fill(0xff), 'index', data)
  }

  /** Throws Forged. */
  openIndex(data: Bytes): Promise<Bytes> {
    return this.decrypt(new Uint8Array(NONCE).fill(0xff), 'index', data)
  }

  private parameters(iv: Bytes, place: string): AesGcmParams {
    return { name: 'AES-GCM', iv, additionalData: utf8.encode(`${LABEL}\0${this.stream}\0${place}`) }
  }

  private async encrypt(iv: Bytes, place: string, data: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.encrypt(this.parameters(iv, place), this.key, data))
  }

  private async decrypt(iv: Bytes, place: string, data: Bytes): Promise<Bytes> {
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.parameters(iv, place), this.key, data))
    } catch {
      throw new Forged(`not segment ${place.replace('\0', ' ')} of ${this.stream}`)
    }
  }
}

/** 4 zero bytes, and the index in 8, big-endian. */
function nonce(index: number): Bytes {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('not an index')
  const iv = new Uint8Array(NONCE)
  new DataView(iv.buffer).setBigUint64(4, BigInt(index))
  return iv
}
