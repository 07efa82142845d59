/** The parts of which media consist on the server, and what of them is not uploaded yet. */
import { extensionOf, type Media } from '../local/media'
import { blobSource, type Source } from './source'
import { inWorker } from './worker'

/** `whole`: the file in one piece; `plain`: the same without encryption. */
export type Part = 'whole' | 'plain'

/** The names of the parts that have no address yet. */
export function missingParts({ kind, url, plain }: Media): Part[] {
  if (kind === 'contact' || kind === 'location' || url !== undefined) return []
  return [plain ? 'plain' : 'whole']
}

/** The bytes to upload. They are the same each time, so that an upload can go on. `data`: the file. */
export async function sourceOf(media: Media, part: Part, data: Blob): Promise<Source> {
  const { key, iv } = media
  if (part === 'plain' || key === undefined || iv === undefined) return blobSource(data)
  return blobSource(await inWorker({ do: 'encrypt', data, key, iv }))
}

/** The media with the address of an uploaded part. */
export function withAddress(media: Media, part: Part, url: string): Media {
  void part
  return { ...media, url }
}

/** A name for the server, which says nothing but the kind. */
export function uploadName(media: Media, part: Part): string {
  void part
  const random = [...crypto.getRandomValues(new Uint8Array(6))].map((one) =>
    one.toString(16).padStart(2, '0')
  )
  return `${random.join('')}.${extensionOf(media.type ?? '', media.name)}`
}

/** The type that the server is told: it learns nothing about what is encrypted. */
export function uploadType(media: Media, part: Part): string {
  return part === 'plain' ? (media.type ?? 'application/octet-stream') : 'application/octet-stream'
}
