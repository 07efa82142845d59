/** Pictures of people and groups, which are named by their SHA-1 (XEP-0084, XEP-0153): to be sent, and received. */
import { base64, hex } from '@scure/base'
import { fromBase64 } from '../local/bytes'
import type { Database } from '../local/database'
import { LARGEST_PICTURE, pictureType } from '../local/picture'

const TYPES = ['image/png', 'image/jpeg', 'image/webp']

/** `bytes`: the size; `text`: the file in base64. Throws if it is too large, or of a type that others do not show. */
export async function pictureToSend(picture: Blob): Promise<{ bytes: number; hash: string; text: string }> {
  if (picture.size > LARGEST_PICTURE || !TYPES.includes(picture.type)) {
    throw new Error('not a picture that others can show')
  }
  const bytes = new Uint8Array(await picture.arrayBuffer())
  return { bytes: bytes.length, hash: await sha1(bytes), text: base64.encode(bytes) }
}

/** Stores a received picture. False: it is none that can be shown, or not the one with this hash. */
export async function storePicture(db: Database, text: string, hash: string): Promise<boolean> {
  try {
    const bytes = fromBase64(text)
    const type = pictureType(bytes)
    if (!type || (await sha1(bytes)) !== hash) return false
    await db.pictures.put({ hash, data: new Blob([bytes], { type }) })
    return true
  } catch {
    return false
  }
}

async function sha1(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex.encode(new Uint8Array(await crypto.subtle.digest('SHA-1', bytes)))
}
