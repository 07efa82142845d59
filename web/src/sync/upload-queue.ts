/** Which uploads the messages in the outbox wait for. */
import Dexie from 'dexie'
import type { Database } from '../local/database'
import { fileUploaded } from '../local/files'
import { fileOf, lacksUpload, missingParts, type Media } from '../local/media'
import { waitingUpload } from '../local/message-files'
import type { Upload } from '../local/file-types'
import type { Outgoing } from '../local/types'

export type Files = Extract<Outgoing['what'], { type: 'message' }> & { media: Media }

/** Whether a message has to wait for its file. */
export function isHeld({ what }: Outgoing): boolean {
  return what.type === 'message' && !!what.media && (!!what.claim || lacksUpload(what.media))
}

/** Whether it is a message with a file, rather than a contact or a place. */
export function hasFile(one: Outgoing): one is Outgoing & { what: Files } {
  const { what } = one
  return what.type === 'message' && !!what.media && fileOf(what.media) !== undefined
}

/** Whether it is a message with this file. */
export function concerns(one: Outgoing, id: string): one is Outgoing & { what: Files } {
  return hasFile(one) && fileOf(one.what.media) === id
}

/** The messages that wait for a file. */
export async function waitingFor(db: Database, id: string): Promise<(Outgoing & { what: Files })[]> {
  return (await db.outgoing.toArray()).filter((one) => concerns(one, id))
}

/** The rows of `uploads` that a message needs. */
function uploadsFor(media: Media, claim: boolean): Upload[] {
  const id = fileOf(media)
  if (id === undefined) return []
  const parts = missingParts(media)
  return (parts.length ? parts : claim ? ['claim' as const] : []).map((part) => waitingUpload(id, part))
}

/** Queues what has to be uploaded of a message; what was stopped goes on. Within a transaction. */
export async function queueUploads(db: Database, media: Media, claim = false): Promise<void> {
  for (const row of uploadsFor(media, claim)) {
    const before = await db.uploads.get([row.id, row.part])
    await db.uploads.put(before ? { ...before, state: 'waiting' } : row)
  }
}

/** Ends the uploads of a message that was deleted, unless others have the same file. Within a transaction. */
export async function dropUploads(db: Database, media: Media): Promise<void> {
  const id = await unneeded(db, media)
  if (id === undefined) return
  await db.uploads.where('id').equals(id).delete()
  await fileUploaded(db, id)
  // the contents of files are not part of the history's transactions
  void Dexie.ignoreTransaction(() => db.blobs.where('id').startsWith(`${id} stream `).delete()).catch(
    () => undefined
  )
}

/** The same for a message that may be sent after all: they go on where they were. */
export async function stopUploads(db: Database, media: Media): Promise<void> {
  const id = await unneeded(db, media)
  if (id !== undefined) await db.uploads.where('id').equals(id).modify({ state: 'stopped' })
}

/** The id of the file, if no message in the outbox has it. */
async function unneeded(db: Database, media: Media): Promise<string | undefined> {
  const id = fileOf(media)
  return id === undefined || (await waitingFor(db, id)).length ? undefined : id
}
