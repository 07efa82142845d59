/** What messages have to do with files: by which words they are found, and what becomes of files of deleted ones. */
import { fileOf, type Media } from './media'
import type { Upload } from './file-types'
import type { Message } from './types'

/** The text of a message, and the name of its document. */
export function searchedIn({ text, media }: Message): string {
  return media?.kind === 'file' && media.name ? `${text} ${media.name}` : text
}

/** The addresses of everything that was uploaded for it. */
export function addressesOf({ url, segments, streams }: Media): string[] {
  return [url, segments?.url, ...(streams ?? []).map((stream) => stream.url)].filter(
    (one) => one !== undefined
  )
}

/** `mine`: the server need not keep it for the user, either. */
export function sweepFor(media: Media, mine: boolean): Upload[] {
  const id = fileOf(media)
  if (id === undefined) return []
  return [{ ...waitingUpload(id, 'sweep'), urls: mine ? addressesOf(media) : [] }]
}

/** A row for something that has to be done about a file. */
export function waitingUpload(id: string, part: Upload['part']): Upload {
  return { id, part, state: 'waiting', size: 0, sent: 0, tries: 0 }
}
