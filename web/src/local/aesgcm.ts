/** Addresses of encrypted files as other apps send them, in the text of a message (XEP-0454). */
import { base64, hex } from '@scure/base'
import { mediaUrl } from './descriptor'
import { cleanFileName } from './file-names'
import { kindOfType, type Media, typeOfName } from './media'

/** The iv has 12 bytes, in early apps 16; the key 32. */
const SECRET = /^(?:[0-9a-f]{24}|[0-9a-f]{32})[0-9a-f]{64}$/i

/** The media that a text consists of; undefined: it is no such address, or contains anything else. */
export function fromAesgcm(text: string): Media | undefined {
  const found = /^aesgcm:(\/\/[^\s#]+)#([0-9a-f]+)$/i.exec(text.trim())
  if (!found?.[1] || !found[2] || !SECRET.test(found[2])) return undefined
  const url = mediaUrl(`https:${found[1]}`)
  if (url === undefined) return undefined
  const secret = hex.decode(found[2].toLowerCase())
  return {
    ...describedByName(url),
    url,
    iv: base64.encode(secret.slice(0, -32)),
    key: base64.encode(secret.slice(-32))
  }
}

/** The text of a message for other apps. */
export function toAesgcm(url: string, iv: string, key: string): string {
  const secret = hex.encode(base64.decode(iv)) + hex.encode(base64.decode(key))
  return `${url.replace(/^https:/, 'aesgcm:')}#${secret}`
}

/** Kind, type and name, as far as the last part of the address tells. */
export function describedByName(url: string): Pick<Media, 'kind' | 'type' | 'name'> {
  let last: string
  try {
    last = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '')
  } catch {
    last = ''
  }
  const name = cleanFileName(last)
  const type = typeOfName(name)
  return { kind: kindOfType(type), ...(type && { type }), ...(name && { name }) }
}
