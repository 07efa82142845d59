/**
 * Files on this device, by the id that `fileOf` gives them. When they take more than the limit, those that were not shown
 * for the longest time are removed; they can be downloaded again.
 */
import type { Database } from './database'
import { fileOf, lacksUpload } from './media'
import type { StoredFile } from './file-types'
import type { Address, Message, Moment } from './types'

/** A fact: how many bytes files may take; 0: the default. */
export const FILES_LIMIT = 'files.limit'
const DEFAULT_LIMIT = 2 * 1024 ** 3
/** Milliseconds by which the time of use may be too early: whoever scrolls must not write to the disk all the time. */
const USED_MS = 600_000
/** Of the space that the browser gives the app. */
const SHARE = 0.5

/** Stores a file. `pending`: it is not uploaded yet, so it must not be removed. */
export async function storeFile(
  db: Database,
  id: string,
  data: Blob,
  now: Moment,
  pending = false
): Promise<void> {
  const row: StoredFile = { id, size: data.size, used: now, ...(pending && { pending: 1 as const }) }
  await db.transaction('rw', db.files, db.blobs, async () => {
    await db.blobs.put({ id, data })
    await db.files.put(row)
  })
  await makeRoom(db, id)
}

/** Undefined: it is not on this device. */
export async function fileData(db: Database, id: string, now: Moment): Promise<Blob | undefined> {
  const [row, file] = await Promise.all([db.blobs.get(id), db.files.get(id)])
  if (row && file && now - file.used > USED_MS) await db.files.update(id, { used: now })
  return row?.data
}

export async function removeFiles(db: Database, ids: string[]): Promise<void> {
  await db.transaction('rw', db.files, db.blobs, db.smalls, async () => {
    await db.files.bulkDelete(ids)
    await db.blobs.bulkDelete(ids)
    await db.smalls.bulkDelete(ids)
  })
}

/** The file is uploaded, so it may be removed when space is needed. */
export async function fileUploaded(db: Database, id: string): Promise<void> {
  await db.files
    .where('id')
    .equals(id)
    .modify((row) => {
      delete row.pending
    })
}

async function makeRoom(db: Database, fresh: string): Promise<void> {
  const most = await limit(db)
  let total = 0
  await db.files.each(({ size }) => {
    total += size
  })
  if (total <= most) return
  const removed: string[] = []
  for (const { id, size, pending } of await db.files.orderBy('used').toArray()) {
    if (total <= most) break
    if (pending || id === fresh) continue
    total -= size
    removed.push(id)
  }
  if (removed.length) await removeFiles(db, removed)
}

async function limit(db: Database): Promise<number> {
  const chosen = await db.fact<number>(FILES_LIMIT)
  if (chosen) return chosen
  const storage = globalThis.navigator?.storage as StorageManager | undefined
  const quota = (await storage?.estimate().catch(() => undefined))?.quota
  return quota === undefined ? DEFAULT_LIMIT : Math.min(DEFAULT_LIMIT, quota * SHARE)
}

/** Whether the message still waits for the server to have its file. */
export function waitsForUpload({ mine, media }: Message): boolean {
  return mine && media !== undefined && lacksUpload(media) && fileOf(media) !== undefined
}

/** A file of a message, on this device. */
export interface FileHere {
  id: string
  size: number
  /** The newest message that has it. */
  message: Message
}

/** The files of a chat, or of all, that are on this device and can be downloaded again. */
export async function filesHere(db: Database, chat?: Address): Promise<FileHere[]> {
  const sizes = new Map<string, number>()
  await db.files.each(({ id, size, pending }) => {
    if (!pending) sizes.set(id, size)
  })
  const found = new Map<string, FileHere>()
  const messages = db.messages.orderBy('[chat+media.kind+at]')
  await messages.each((message) => {
    const id = message.media && fileOf(message.media)
    const size = id === undefined ? undefined : sizes.get(id)
    if (id === undefined || size === undefined || (chat !== undefined && message.chat !== chat)) return
    const known = found.get(id)
    if (!known || known.message.at < message.at) found.set(id, { id, size, message })
  })
  return [...found.values()]
}
