/** Removes files that no message has any more, here and, if they were the user's, from the server. */
import type { Database } from '../local/database'
import { removeFiles } from '../local/files'
import { fileOf } from '../local/media'
import { addressesOf } from '../local/message-files'
import type { Upload } from '../local/file-types'
import type { Address } from '../local/types'
import type { MediaOrigin } from '../media/origin'
import { Refused } from '../xmpp/errors'
import type { Wire } from '../xmpp/wire'
import { blobOf, releaseBlob } from './slots'

/** `rows`: those of `uploads` that say which files are perhaps not needed any more. */
export async function sweepFiles(
  db: Database,
  me: Address,
  wire: Wire,
  origin: MediaOrigin,
  rows: Upload[]
): Promise<void> {
  const used = new Set<string>()
  const own = new Set<string>()
  await db.messages.orderBy('[chat+media.kind+at]').each(({ media, mine }) => {
    const id = media && fileOf(media)
    if (!media || id === undefined) return
    used.add(id)
    if (mine) for (const url of addressesOf(media)) own.add(url)
  })
  for (const { id, part, urls = [] } of rows) {
    if (!used.has(id)) await removeFiles(db, [id])
    for (const url of urls.filter((one) => !own.has(one) && blobOf(one))) {
      try {
        if (!(await origin.local(url)).foreign) await releaseBlob(wire, me, url)
      } catch (error) {
        if (!(error instanceof Refused)) return // in the next session
      }
    }
    await db.uploads.delete([id, part])
  }
}
