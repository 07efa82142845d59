/** Stores files that are sent, with what their upload needs. */
import type { Database } from '../local/database'
import { fileOf, LARGEST_WHOLE, type Media } from '../local/media'
import { storeFile } from '../local/files'
import { storeSmall } from '../local/small-pictures'
import type { Moment } from '../local/types'
import { newSecret } from '../media/cipher'
import { storedAs } from '../media/parts'
import { sealedSize } from '../media/segmented-file'
import { inWorker } from '../media/worker'
import type { MediaItem } from './app'

/**
 * Stores a file to be uploaded, and completes its description. Large ones go in segments, unless they are not encrypted.
 * `plain`: not encrypted.
 */
export async function storeMedia(
  db: Database,
  now: Moment,
  { media, small, streams = {} }: MediaItem,
  data: Blob,
  plain: boolean
): Promise<Media> {
  const large = data.size > LARGEST_WHOLE && !plain
  const digest = data.size <= LARGEST_WHOLE ? await inWorker({ do: 'digest', data }) : undefined
  const described = { ...media, size: data.size, ...(digest !== undefined && { digest }) }
  const complete: Media = plain
    ? withoutSecret({ ...described, plain: true, file: `plain ${crypto.randomUUID()}` })
    : { ...secretFor(data.size), ...described, ...(large && { file: `large ${crypto.randomUUID()}` }) }
  const file = fileOf(complete) ?? ''
  if (!plain)
    for (const [name, stream] of Object.entries(streams))
      await db.blobs.put({ id: storedAs(file, `stream ${name}`), data: stream })
  await storeFile(db, file, data, now, true)
  if (small && !media.once) await storeSmall(db, file, small)
  return complete
}

/** New keys for a file of so many bytes; in segments, if it is large. */
export function secretFor(size: number): Pick<Media, 'key' | 'iv' | 'segments'> {
  const { key, iv } = newSecret()
  return size > LARGEST_WHOLE ? { key, segments: { size: sealedSize(size) } } : { key, iv }
}

function withoutSecret(media: Media): Media {
  const { key, iv, streams, ...rest } = media
  void [key, iv, streams]
  return rest
}
