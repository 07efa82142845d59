/** What messages with media say to apps that do not know descriptors (docs/media.md). */
import { base64, hex } from '@scure/base'
import { describedByName, toAesgcm } from '../local/aesgcm'
import { cardOf } from '../local/cards'
import { LARGEST_FILE, LONGEST_SIDE, mediaUrl, typeOf } from '../local/descriptor'
import { cleanFileName } from '../local/file-names'
import { kindOfType, type Media } from '../local/media'
import { NS } from './ns'
import { attribute, child, children, el, type OutgoingXml, textOf, type Xml } from './xml'

/** The body. A file of which other apps could read nothing is named. */
export function bodyOfMedia(media: Media): string {
  const { kind, url, key, iv, plain, place, card, name = '' } = media
  if (kind === 'location' && place) return `geo:${String(place.latitude)},${String(place.longitude)}`
  if (kind === 'contact') {
    const { name: called, numbers } = cardOf(card ?? '')
    return [called, ...numbers].filter(Boolean).join('\n')
  }
  if (url === undefined) return `[${name || kind}] This file is too large for your app.`
  return plain || key === undefined || iv === undefined ? url : toAesgcm(url, iv, key)
}

/** Beside the body of an unencrypted message: XEP-0066, and XEP-0447 with XEP-0446. */
export function inClearOf(media: Media): OutgoingXml[] {
  const { url, type, name, size, digest, width, height, kind } = media
  if (url === undefined) return []
  const file = el(
    'file',
    { xmlns: NS.fileMetadata },
    type ? el('media-type', {}, type) : false,
    name ? el('name', {}, name) : false,
    size === undefined ? false : el('size', {}, String(size)),
    width === undefined ? false : el('width', {}, String(width)),
    height === undefined ? false : el('height', {}, String(height)),
    digest === undefined ? false : el('hash', { xmlns: NS.hashes, algo: 'sha-256' }, digest)
  )
  const sources = el('sources', {}, el('url-data', { xmlns: NS.urlData, target: url }))
  const disposition = kind === 'file' ? 'attachment' : 'inline'
  return [
    el('x', { xmlns: NS.oob }, el('url', {}, url)),
    el('file-sharing', { xmlns: NS.fileSharing, disposition }, file, sources)
  ]
}

/**
 * A file that is not encrypted: XEP-0447 and XEP-0385, or XEP-0066 with the body equal to the address. Undefined: there
 * is none.
 */
export function plainMedia(message: Xml, body: string): Media | undefined {
  const sharing = child(message, NS.fileSharing, 'file-sharing')
  const source = child(child(sharing, NS.fileSharing, 'sources'), NS.urlData, 'url-data')
  const shared = mediaUrl(attribute(source, 'target'))
  if (sharing && shared) return described(shared, child(sharing, NS.fileMetadata, 'file'), NS.fileMetadata)
  for (const reference of children(message, NS.reference, 'reference')) {
    const sims = child(reference, NS.sims, 'media-sharing')
    const inner = child(child(sims, NS.sims, 'sources'), NS.reference, 'reference')
    const url = mediaUrl(attribute(inner, 'uri'))
    if (sims && url) return described(url, child(sims, NS.jingleFile, 'file'), NS.jingleFile)
  }
  const url = mediaUrl(textOf(child(child(message, NS.oob, 'x'), NS.oob, 'url')))
  return url !== undefined && url === body.trim() ? { ...describedByName(url), url, plain: true } : undefined
}

function described(url: string, file: Xml | undefined, xmlns: string): Media {
  const known = describedByName(url)
  const says = (name: string): string => textOf(child(file, xmlns, name))
  const type = typeOf(says('media-type')) ?? known.type ?? ''
  const name = cleanFileName(says('name')) || (known.name ?? '')
  const [size, width, height] = [
    numberOf(says('size'), LARGEST_FILE),
    numberOf(says('width'), LONGEST_SIDE),
    numberOf(says('height'), LONGEST_SIDE)
  ]
  const hash = children(file, NS.hashes, 'hash').find((one) => attribute(one, 'algo') === 'sha-256')
  const digest = hash && digestOf(textOf(hash).trim())
  return {
    ...{ kind: kindOfType(type), url, plain: true },
    ...(type && { type }),
    ...(name && { name }),
    ...(size !== undefined && { size }),
    ...(width && height && { width, height }),
    ...(digest !== undefined && { digest })
  }
}

function numberOf(text: string, most: number): number | undefined {
  return /^\d{1,15}$/.test(text) && Number(text) <= most ? Number(text) : undefined
}

/** Base64, as XEP-0300 has it; some apps send hexadecimal. */
function digestOf(text: string): string | undefined {
  try {
    const bytes = /^[0-9a-f]{64}$/i.test(text) ? hex.decode(text.toLowerCase()) : base64.decode(text)
    return bytes.length === 32 ? base64.encode(bytes) : undefined
  } catch {
    return undefined
  }
}
