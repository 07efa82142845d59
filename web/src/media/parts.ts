/** The parts of which media consist on the server: their bytes, names and addresses. */
import { fromBase64 } from '../local/bytes'
import { extensionOf, type Media, type Part } from '../local/media'
import { sealedFile } from './segmented-file'
import { blobSource, type Source } from './source'
import { inWorker } from './worker'

/** The id of what is uploaded, in the table `blobs`. `file`: that of the file. */
export function storedAs(file: string, part: Part): string {
  return part.startsWith('stream ') ? `${file} ${part}` : file
}

/** The bytes to upload. They are the same each time, so that an upload can go on. `data`: the file, or the sealed stream. */
export async function sourceOf(media: Media, part: Part, data: Blob): Promise<Source> {
  const { key, iv } = media
  if (part === 'segments' && key !== undefined) return sealedFile(blobSource(data), fromBase64(key))
  if (part !== 'whole' || key === undefined || iv === undefined) return blobSource(data)
  return blobSource(await inWorker({ do: 'encrypt', data, key, iv }))
}

/** The media with the address of an uploaded part. */
export function withAddress(media: Media, part: Part, url: string): Media {
  const { segments, streams } = media
  if (part === 'segments') return segments ? { ...media, segments: { ...segments, url } } : media
  if (!part.startsWith('stream ')) return { ...media, url }
  const changed = streams?.map((one) => (part === `stream ${one.name}` ? { ...one, url } : one))
  return changed ? { ...media, streams: changed } : media
}

/** A name for the server, which says nothing but the kind. */
export function uploadName(media: Media, part: Part): string {
  const random = [...crypto.getRandomValues(new Uint8Array(6))].map((one) =>
    one.toString(16).padStart(2, '0')
  )
  // other apps only open what is whole
  const extension = part === 'whole' || part === 'plain' ? extensionOf(media.type ?? '', media.name) : 'bin'
  return `${random.join('')}.${extension}`
}

/** The type that the server is told: it learns nothing about what is encrypted. */
export function uploadType(media: Media, part: Part): string {
  return part === 'plain' ? (media.type ?? 'application/octet-stream') : 'application/octet-stream'
}
